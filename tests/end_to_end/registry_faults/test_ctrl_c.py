"""Ctrl-C while the network stands still: the end comes at once, and nothing is left."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, interrupt, project
from tests.end_to_end.registry_faults.faults import (
    NAME,
)
from tests.oci.registry.server import Answer, Asked, Server, forward


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["pull", "push", "copy", "run", "build"])
def test_ctrl_c_while_the_network_stands_still(
    machine: Lamina, address: str, archive: Path, pushed: str, what: str, number: int
) -> None:
    """It ends at once, and not when a time limit does."""
    inner, over = forward(address), threading.Event()

    def still(asked: Asked) -> Answer:
        if asked.method in ("GET", "PUT") and "/blobs/" in asked.path:
            over.wait()
        return inner(asked)

    with Server(still) as server:
        name = f"{server.address}/{NAME}"
        if what == "push":
            machine.run("load", "-q", "-i", archive)
            name = f"{server.address}/never/{number}:1"
            machine.run("tag", "large", name)
        folder = project(machine.place / "context", f"FROM {name}\nCOPY Recipe /\n")
        command = {
            "copy": ("copy", f"docker://{name}", f"oci:{machine.place}/layout:1"),
            "run": ("run", "--rm", name, "true"),
            "build": ("build", folder),
        }.get(what, (what, name))
        process = machine.start(*command)
        while not _stands_still(server):
            assert process.poll() is None, process.communicate()
        done = interrupt(process, number)
        over.set()
    assert done.code == 128 + number, done.err
    assert "Traceback" not in done.err
    if what == "copy":
        assert not (machine.place / "layout" / "index.json").exists()


def _stands_still(server: Server) -> bool:
    waiting = [a for a in server.asked if a.method in ("GET", "PUT")]
    return any("/blobs/" in a.path for a in waiting)


def test_ctrl_c_while_the_registry_wants_a_pause(
    machine: Lamina, address: str, pushed: str
) -> None:
    inner = forward(address)

    def busy(asked: Asked) -> Answer:
        if "/blobs/" in asked.path:
            return Answer(429, b"", {"Retry-After": "110"})
        return inner(asked)

    with Server(busy) as server:
        process = machine.start("pull", f"{server.address}/{NAME}")
        while not [a for a in server.asked if "/blobs/" in a.path]:
            assert process.poll() is None, process.communicate()
        assert interrupt(process).code == 130
