"""What a step may say to the user's ssh agent, and what it may not."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.errors import AgentFailed
from lamina.builder.ops.agents import Agents

LIST, SIGN, ADD, REMOVE, LOCK, EXTENSION = (
    b"\x0b",
    b"\x0d",
    b"\x11",
    b"\x13",
    b"\x16",
    b"\x1b",
)
FAILURE = b"\x05"


class Agent:
    """Answers every message with `ok ` and the message, and keeps it."""

    def __init__(self, path: Path) -> None:
        self.heard: list[bytes] = []
        self._end = socket.socket(socket.AF_UNIX)
        self._end.bind(str(path))
        self._end.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may be closed
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._end.accept()
                with client, client.makefile("rwb") as stream:
                    while head := stream.read(4):
                        self.heard.append(stream.read(int.from_bytes(head, "big")))
                        answer = b"ok " + self.heard[-1]
                        stream.write(len(answer).to_bytes(4, "big") + answer)
                        stream.flush()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "agent")
    yield agent
    agent.close()


@pytest.fixture
def agents(tmp_path: Path, agent: Agent) -> Iterator[Agents]:
    # Deeper than the path of a socket may be long.
    place = tmp_path / ("deep" * 20) / ("deep" * 20)
    place.mkdir(parents=True)
    sources = {"default": (str(tmp_path / "agent"),), "none": (str(tmp_path / "x"),)}
    agents = Agents(sources, str(place))
    yield agents
    agents.close()


def ask(end: socket.socket, message: bytes) -> bytes:
    end.sendall(len(message).to_bytes(4, "big") + message)
    size = int.from_bytes(end.recv(4, socket.MSG_WAITALL), "big")
    return end.recv(size, socket.MSG_WAITALL)


def test_a_step_lists_and_signs_and_no_more(agents: Agents, agent: Agent) -> None:
    forwarder = agents.forward("default", 0o640, 0, 0)
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(forwarder.path)
        assert ask(end, LIST) == b"ok " + LIST
        assert ask(end, SIGN + b"data" * 9000) == b"ok " + SIGN + b"data" * 9000
        for kind in (ADD, REMOVE, LOCK, EXTENSION, b"\x00", b"\xff"):
            assert ask(end, kind + b"x") == FAILURE
        assert ask(end, LIST) == b"ok " + LIST
    assert {message[:1] for message in agent.heard} == {LIST, SIGN}
    assert stat.S_IMODE(os.stat(forwarder.path).st_mode) == 0o640
    forwarder.close()
    assert not os.path.exists(forwarder.path)


def test_a_message_without_end_ends_the_connection(agents: Agents) -> None:
    forwarder = agents.forward("default", 0o600, 0, 0)
    for size in (0, 1 << 30):
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(forwarder.path)
            end.sendall(size.to_bytes(4, "big"))
            assert end.recv(1) == b""
    forwarder.close()


def test_an_agent_that_went_is_a_closed_connection(
    agents: Agents, agent: Agent, tmp_path: Path
) -> None:
    forwarder = agents.forward("default", 0o600, 0, 0)
    agent.close()
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(forwarder.path)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            end.sendall(b"\0\0\0\1" + LIST)
            assert end.recv(1) == b""
    forwarder.close()


def test_what_is_neither_agent_nor_key(agents: Agents, tmp_path: Path) -> None:
    assert agents.knows("none") and not agents.knows("nobody")
    with pytest.raises(AgentFailed, match="no agent and no key"):
        agents.forward("none", 0o600, 0, 0)
    (tmp_path / "x").write_text("no key")
    with pytest.raises(AgentFailed, match="is no key"):
        agents.forward("none", 0o600, 0, 0)
