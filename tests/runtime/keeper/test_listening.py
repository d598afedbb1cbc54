from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lamina.runtime.keeper.listening import listens
from lamina.runtime.network import netns
from tests.runtime.lab import enter

pytestmark = pytest.mark.root

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


@pytest.fixture
def namespace() -> Iterator[int]:
    made = netns.new_namespace()
    yield made
    os.close(made)


@pytest.fixture
def pid(namespace: int) -> Iterator[int]:
    """A process in the namespace that does nothing."""
    command = [*enter(namespace), "sleep", "60"]
    with subprocess.Popen(command) as process:
        while not _is_in(process.pid, namespace):
            time.sleep(0.001)
        yield process.pid
        process.kill()


def _is_in(pid: int, namespace: int) -> bool:
    return os.stat(f"/proc/{pid}/ns/net").st_ino == os.fstat(namespace).st_ino


Make = Callable[[], socket.socket]


def bound(kind: int, address: str, port: int) -> Make:
    def make() -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, kind)
        made.bind((address, port))
        if kind == STREAM:
            made.listen()
        return made

    return make


@pytest.mark.parametrize(
    ("kind", "address", "port", "counts"),
    [
        (STREAM, "0.0.0.0", 80, True),
        (STREAM, "::", 40000, True),
        (DATAGRAM, "0.0.0.0", 53, True),
        (DATAGRAM, "::", 53, True),
        # Its own affair, or the resolver's.
        (STREAM, "127.0.0.11", 53, False),
        (DATAGRAM, "127.0.0.11", 53, False),
        (STREAM, "::1", 80, False),
        # A client's.
        (DATAGRAM, "0.0.0.0", 40000, False),
    ],
)
def test_what_others_can_reach_counts(
    namespace: int, pid: int, kind: int, address: str, port: int, counts: bool
) -> None:
    assert not listens(pid)
    with netns.inside(namespace, bound(kind, address, port)):
        assert listens(pid) is counts
    assert not listens(pid)


def test_who_has_ended_does_not_listen() -> None:
    assert not listens(1 << 22)
