"""runtime.swap.front: ports lead to one container after another, and never nowhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lamina.runtime.network import netns
from lamina.runtime.network.ports import parse_port
from lamina.runtime.swap.front import Front, Place
from tests.runtime.lab import HOST, Container, Lab, ask

pytestmark = pytest.mark.root
PATIENCE = 20.0
PORT = 8080
Where = Callable[[Container], Place]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(str(tmp_path / "network"))
    yield made
    made.close()


@pytest.fixture
def front(lab: Lab) -> Iterator[Front]:
    ports = (*parse_port(f"{PORT}:80"), *parse_port("5353:53/udp"))
    # The thread that it starts stays in the namespace that it was started in.
    made = lab.on_host(lambda: Front(ports))
    yield made
    lab.on_host(made.close)


def bridged(container: Container) -> Place:
    return Place(container.address, container.namespace, container.lab.state_dir)


def inside(container: Container) -> Place:
    """As for an ordinary user: the host is not to know the address."""
    return Place(container.address, container.namespace, "")


@pytest.fixture
def pair(lab: Lab) -> list[Container]:
    containers = [lab.container(name) for name in ("blue", "green")]
    for container, name in zip(containers, ("blue", "green"), strict=True):
        lab.serve(container.namespace, 80, name)
        lab.serve_udp(container.namespace, 53, name)
    return containers


@pytest.mark.parametrize("place", [bridged, inside])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", HOST])
def test_ports_lead_to_one_after_the_other(
    lab: Lab, front: Front, pair: list[Container], place: Where, address: str
) -> None:
    for _ in range(2):
        for container, name in zip(pair, ("blue", "green"), strict=True):
            lab.on_host(partial(front.lead, place(container), front.ports))
            assert ask(lab.host, address, PORT).startswith(name)


@pytest.mark.parametrize("place", [bridged, inside])
def test_nobody_who_connects_meanwhile_is_refused(
    lab: Lab, front: Front, pair: list[Container], place: Where
) -> None:
    lab.on_host(lambda: front.lead(place(pair[0]), front.ports))
    over = threading.Event()
    answers: list[str] = []
    failures: list[OSError] = []

    def hammer(namespace: int, address: str) -> None:
        while not over.is_set():
            try:
                answers.append(ask(namespace, address, PORT, PATIENCE))
            except OSError as error:
                failures.append(error)

    clients = [(lab.neighbour, HOST), (lab.host, "127.0.0.1"), (lab.host, "::1")]
    threads = [threading.Thread(target=hammer, args=client) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for number in range(100):
            to = place(pair[number % 2])
            lab.on_host(partial(front.lead, to, front.ports))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert {answer.split()[0] for answer in answers} <= {"blue", "green"}
    assert len(answers) >= 3


def test_a_connection_that_is_there_stays(
    lab: Lab, front: Front, pair: list[Container]
) -> None:
    def listen() -> socket.socket:
        return socket.create_server(("0.0.0.0", 81))

    old, new = pair
    server = netns.inside(old.namespace, listen)
    ports = parse_port("8181:81")
    other = lab.on_host(lambda: Front(ports))
    lab.on_host(lambda: other.lead(bridged(old), other.ports))
    client = lab.on_host(lambda: socket.create_connection(("127.0.0.1", 8181), 20))
    accepted, _ = server.accept()
    lab.on_host(lambda: other.lead(bridged(new), other.ports))
    client.sendall(b"?")
    assert accepted.recv(10) == b"?"
    accepted.sendall(b"!")
    assert client.recv(10) == b"!"
    for opened in (client, accepted, server):
        opened.close()
    lab.on_host(other.close)


@pytest.mark.parametrize("place", [bridged, inside])
def test_datagrams_follow(
    lab: Lab, front: Front, pair: list[Container], place: Where
) -> None:
    def make() -> socket.socket:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    client = netns.inside(lab.neighbour, make)
    client.settimeout(PATIENCE)
    with client:
        for container, name in zip(pair, ("blue", "green"), strict=True):
            lab.on_host(partial(front.lead, place(container), front.ports))
            client.sendto(b"?", (HOST, 5353))
            assert client.recv(100).decode().startswith(name)


@pytest.mark.parametrize("place", [bridged, inside])
def test_who_connects_while_nothing_is_there_waits(
    lab: Lab, front: Front, pair: list[Container], place: Where
) -> None:
    answers: list[str] = []

    def connect() -> None:
        answers.append(ask(lab.neighbour, HOST, PORT, PATIENCE))

    for name, container in zip(("blue", "green"), pair, strict=True):
        lab.on_host(front.rest)
        client = threading.Thread(target=connect)
        client.start()
        client.join(0.1)
        assert client.is_alive()
        lab.on_host(partial(front.lead, place(container), front.ports))
        client.join(PATIENCE)
        assert answers.pop().startswith(name)


def test_closed_ports_can_be_had_again(lab: Lab, pair: list[Container]) -> None:
    for _ in range(2):
        made = lab.on_host(lambda: Front(parse_port("8181:80")))
        lab.on_host(partial(made.lead, bridged(pair[0]), made.ports))
        lab.on_host(made.close)
        made.close()
        with pytest.raises(ConnectionRefusedError):
            ask(lab.host, "127.0.0.1", 8181)


@pytest.mark.parametrize("place", [bridged, inside])
def test_the_next_one_may_want_other_ports(
    lab: Lab, pair: list[Container], place: Where
) -> None:
    old, new = pair
    lab.serve(new.namespace, 90, "green 90")
    web, more, udp = parse_port("80"), parse_port("90"), parse_port("5354:53/udp")
    front = lab.on_host(lambda: Front((*web, *udp)))
    try:
        first = front.ports
        lab.on_host(lambda: front.lead(place(old), first))
        wanted = lab.on_host(lambda: front.hold((*web, *more)))
        # What stays keeps its number; what comes waits, and what goes is there.
        assert wanted[0] == first[0]
        assert front.ports == first
        assert ask(lab.host, "::1", wanted[0].host_port).startswith("blue")
        lab.on_host(lambda: front.lead(place(new), wanted))
        assert front.ports == wanted
        for address in ("127.0.0.1", "::1", HOST):
            assert ask(lab.host, address, wanted[0].host_port).startswith("green")
            assert ask(lab.host, address, wanted[1].host_port).startswith("green 90")
        # The port that nobody wants any more is free, and left no note.
        lab.on_host(lambda: Front(parse_port("5354:53/udp")).close())
        back = lab.on_host(lambda: front.hold(web))
        lab.on_host(lambda: front.lead(place(old), back))
        assert ask(lab.host, "127.0.0.1", wanted[0].host_port).startswith("blue")
        with pytest.raises(ConnectionRefusedError):
            ask(lab.host, "127.0.0.1", wanted[1].host_port)
    finally:
        lab.on_host(front.close)


def test_what_it_did_not_come_to_is_given_back(lab: Lab) -> None:
    web = parse_port("80")
    front = lab.on_host(lambda: Front(web))
    lab.on_host(lambda: front.hold((*web, *parse_port("8191:90"))))
    lab.on_host(lambda: front.hold(web))
    lab.on_host(lambda: Front(parse_port("8191:90")).close())
    lab.on_host(lambda: front.hold((*web, *parse_port("8191:90"))))
    lab.on_host(front.close)
    lab.on_host(lambda: Front(parse_port("8191:90")).close())
