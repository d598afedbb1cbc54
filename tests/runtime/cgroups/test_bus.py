"""D-Bus: a real bus, and peers that are old, or no bus at all."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lamina
from lamina.runtime.cgroups import systemd
from lamina.runtime.cgroups.bus import Refusal, connect, outer_id
from lamina.runtime.cgroups.scopes import USER, named
from lamina.runtime.errors import NoSystemd

NAME = "org.freedesktop.DBus"
BUS = ("/org/freedesktop/DBus", NAME)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    """The socket of a message bus."""
    if not shutil.which("dbus-daemon"):
        pytest.skip("no dbus-daemon")
    path = tmp_path / "bus"
    words = ("dbus-daemon", "--session", "--nofork", "--nopidfile")
    process = subprocess.Popen((*words, f"--address=unix:path={path}"))
    deadline = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield str(path)
    process.kill()
    process.wait()


def test_calls_and_refusals(bus: str) -> None:
    line = connect([(bus, True)], NAME)
    ((identity,), (names,)) = line.call(BUS, "GetId"), line.call(BUS, "ListNames")
    assert len(identity) == 32
    assert NAME in names
    with pytest.raises(Refusal, match="NoSuchThing") as refused:
        line.call(BUS, "NoSuchThing")
    assert refused.value.name == f"{NAME}.Error.UnknownMethod"
    line.close()


def test_signals_wait_until_they_are_wanted(bus: str) -> None:
    line, other = connect([(bus, True)], NAME), connect([(bus, True)], NAME)
    line.expect(BUS, "NameOwnerChanged")
    for number in (1, 2):
        other.call(BUS, "RequestName", "su", (f"org.example.Shop{number}", 0))
    # The signals are there before this answer, which is not theirs.
    assert line.call(BUS, "GetId")
    found = line.wait("NameOwnerChanged", lambda body: body[0].endswith("Shop2"))
    assert found[0] == "org.example.Shop2"
    line.close()
    other.close()


def test_the_first_that_answers(bus: str, tmp_path: Path) -> None:
    line = connect([(f"{tmp_path}/none", False), (bus, True)], NAME)
    assert line.call(BUS, "GetId")
    line.close()
    with pytest.raises(FileNotFoundError):
        connect([(f"{tmp_path}/none", False)], NAME)


IN_USER_NAMESPACE = """
import sys
from lamina.runtime.cgroups.bus import connect, outer_id
line = connect([(sys.argv[1], True)], "org.freedesktop.DBus")
place = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
print(outer_id(), *line.call(place, "GetConnectionUnixUser", "s", (line.name,)))
"""


def test_from_a_user_namespace(bus: str) -> None:
    """Where the user has another number than the bus sees."""
    program = IN_USER_NAMESPACE.replace("line.name", "'org.freedesktop.DBus'")
    words = ("unshare", "-U", "--map-user=17", sys.executable, "-c", program, bus)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces")
    assert done.stdout == f"{outer_id()} {outer_id()}\n", done.stderr


@contextlib.contextmanager
def peer(place: Path, act: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does one thing with each connection."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place / "peer"))
    server.listen()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = server.accept()
                with line, contextlib.suppress(OSError):
                    act(line)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield str(place / "peer")
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def old(line: socket.socket) -> None:
    """As systemd before 246: it wants the number."""
    said = line.recv(4096)
    number = str(outer_id()).encode().hex().encode()
    if said != b"\0AUTH EXTERNAL " + number + b"\r\nBEGIN\r\n":
        line.sendall(b"REJECTED EXTERNAL\r\n")
        return
    line.sendall(b"OK 00112233445566778899aabbccddeeff\r\n")
    line.recv(4096)  # the call, to which nothing is said


def test_a_peer_that_wants_the_number(tmp_path: Path) -> None:
    with peer(tmp_path, old) as path:
        line = connect([(path, False)], "org.example")
        with pytest.raises(ConnectionResetError):
            line.call(("/", "org.example.A"), "B")
        line.close()


@pytest.mark.parametrize(
    "said", [b"", b"\r\n", b"REJECTED EXTERNAL\r\n", b"HTTP/1.1 400\r\n", b"x" * 9000]
)
def test_what_is_no_bus(tmp_path: Path, said: bytes) -> None:
    def act(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(said)

    with peer(tmp_path, act) as path, pytest.raises(OSError, match=r"user|closed"):
        connect([(path, True)], NAME)


def test_a_bus_without_a_systemd(
    bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert systemd.has_user_manager()
    with pytest.raises(NoSystemd, match=r"start x\.scope") as refused:
        systemd.start(USER, named("x", "app.slice"), (1,), "text")
    assert "journalctl --user" in refused.value.hint


def test_no_bus_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert not systemd.has_user_manager()
    with pytest.raises(NoSystemd, match="does not answer") as failed:
        systemd.stop(USER, "x.scope")
    assert "enable-linger" in failed.value.hint


WITHOUT = """
import sys
sys.path.insert(0, sys.argv[1])
from lamina.errors import LaminaError
from lamina.runtime.cgroups import systemd
try:
    systemd.stop("user", "x.scope")
except LaminaError as error:
    print(error)
"""


def test_without_the_library(bus: str) -> None:
    """`-S`: without what is installed."""
    top = str(Path(lamina.__path__[0]).parent)
    done = subprocess.run(
        (sys.executable, "-I", "-S", "-c", WITHOUT, top),
        capture_output=True,
        text=True,
        check=False,
        env={"XDG_RUNTIME_DIR": str(Path(bus).parent)},
    )
    assert "jeepney is not installed" in done.stdout, done.stderr
