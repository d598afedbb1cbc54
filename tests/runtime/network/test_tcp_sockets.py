"""runtime.network.tcp_sockets: who waits for an answer, and who for a question."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest

from lamina.runtime.network import netns
from lamina.runtime.network.tcp_sockets import abort, connections

pytestmark = pytest.mark.root
PORT = 8000
WANTED = frozenset((PORT,))


@pytest.fixture
def namespace() -> Iterator[int]:
    made = netns.new_namespace()
    yield made
    os.close(made)


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["0.0.0.0", "::"])
def pair(namespace: int, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client and what a server accepted, on a socket for IPv4 or for both."""

    def make() -> Pair:
        family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
        with socket.create_server(
            (request.param, PORT), family=family, dualstack_ipv6=":" in request.param
        ) as server:
            client = socket.create_connection(("127.0.0.1", PORT), 20)
            return client, server.accept()[0]

    client, accepted = netns.inside(namespace, make)
    with client, accepted:
        yield client, accepted


def rests(namespace: int) -> float:
    (found,) = netns.inside(namespace, lambda: connections(WANTED))
    return found.rests


def test_who_spoke_last_is_told(namespace: int, pair: Pair) -> None:
    client, accepted = pair
    # Nobody asked anything yet.
    assert rests(namespace) >= 0
    for _ in range(3):
        client.sendall(b"question")
        assert rests(namespace) == -1.0
        accepted.recv(100)
        # It is being thought about, for however long.
        assert rests(namespace) == -1.0
        time.sleep(0.05)
        assert rests(namespace) == -1.0
        accepted.sendall(b"answer")
        client.recv(100)
        time.sleep(0.05)
        assert rests(namespace) >= 0.02
    assert netns.inside(namespace, lambda: connections(frozenset((PORT + 1,)))) == ()


def test_what_is_ended_is_reset_on_both_sides(namespace: int, pair: Pair) -> None:
    client, accepted = pair
    found = netns.inside(namespace, lambda: connections(WANTED))
    assert netns.inside(namespace, lambda: abort(found)) == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionAbortedError):
        accepted.recv(1)
    assert netns.inside(namespace, lambda: connections(WANTED)) == ()
    # It is gone: nothing more happens.
    assert netns.inside(namespace, lambda: abort(found)) == 0


def test_an_answer_that_nobody_reads_is_no_rest(namespace: int, pair: Pair) -> None:
    client, accepted = pair
    client.sendall(b"much, please")
    accepted.recv(100)
    accepted.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            accepted.send(bytes(1 << 16))
    time.sleep(0.02)
    assert rests(namespace) == -1.0
