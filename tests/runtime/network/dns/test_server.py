"""A resolver among leases, with a name server of the host behind it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.runtime.isolation.loop import Loop
from lamina.runtime.network import addresses, groups, layout
from lamina.runtime.network.addresses import IN, OUT, Leased, Subnet
from lamina.runtime.network.dns import message
from lamina.runtime.network.dns.names import Names
from lamina.runtime.network.dns.server import Resolver
from lamina.runtime.network.network_state import Lock, network_of
from lamina.runtime.owner import Owner
from tests.runtime.network.dns.test_message import query

DEAD = Owner("dead", 1 << 22, 1, "no boot")


class Place:
    """A network's directory, with leases."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder)
        self._network = network_of(self.path)
        with Lock(self._network):
            pass

    def has(self, address: str, *names: str, owner: Owner | None = None) -> None:
        found = owner or Owner.of(names[0] if names else "nobody")
        addresses.write(self._network.leases, Leased(address, found, names))

    def loses(self, address: str) -> None:
        addresses.release(self._network.leases, address)

    def has_member(
        self, address: str, name: str, *shared: str, out: bool = False
    ) -> None:
        """A member of the group `web`, with names that go with it."""
        names = (name, *shared)
        made = Leased(
            address, Owner.of(name), names, "", "web", OUT if out else IN, shared
        )
        if groups.admit(self._network, Subnet.parse("10.0.0.0/24"), "web"):
            assert groups.virtual(self._network) == {"web": "10.0.0.254"}
        addresses.write(self._network.leases, made)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def serving(place: Place) -> Iterator[Callable[..., Resolver]]:
    """Makes a resolver that answers in a thread."""
    ended = threading.Event()
    threads = []

    def make(
        servers: tuple[str, ...] = (), leads_out: bool = True, port: int = 53
    ) -> Resolver:
        loop = Loop()
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        listener = socket.create_server(("127.0.0.1", 0))
        names = Names(((place.path, "app"),), {"database": "db"})
        made = Resolver(loop, (datagrams, listener), names, servers, leads_out, port)
        made.at = datagrams.getsockname()  # type: ignore[attr-defined]
        made.tcp = listener.getsockname()  # type: ignore[attr-defined]

        def run() -> None:
            while not ended.is_set():
                loop.after(0.02, lambda: None)
                loop.turn()
            made.close()

        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)
        return made

    yield make
    ended.set()
    for thread in threads:
        thread.join()


def ask(resolver: Resolver, data: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.sendto(data, resolver.at)  # type: ignore[attr-defined]
        return client.recv(65536)


def ask_tcp(resolver: Resolver, *questions: bytes) -> list[bytes]:
    with socket.create_connection(resolver.tcp, 20) as client:  # type: ignore[attr-defined]
        for data in questions:
            client.sendall(len(data).to_bytes(2, "big") + data)
        stream = client.makefile("rb")
        return [stream.read(int.from_bytes(stream.read(2), "big")) for _ in questions]


def found(said: bytes) -> set[str]:
    """The addresses in an answer: those of the records' ends."""
    count = int.from_bytes(said[6:8], "big")
    return {socket.inet_ntoa(said[len(said) - 16 * n - 4 :][:4]) for n in range(count)}


def code(said: bytes) -> int:
    return said[3] & 15


def test_names_aliases_and_several_of_one_name(
    place: Place, serving: Callable[..., Resolver]
) -> None:
    place.has("10.0.0.2", "web-1", "web")
    place.has("10.0.0.3", "web-2", "web")
    place.has("10.0.0.4", "db", owner=DEAD)
    resolver = serving()
    assert found(ask(resolver, query("web-1"))) == {"10.0.0.2"}
    assert found(ask(resolver, query("WEB"))) == {"10.0.0.2", "10.0.0.3"}
    assert found(ask(resolver, query("web-2.app"))) == {"10.0.0.3"}
    firsts = {ask(resolver, query("web"))[-4:] for _ in range(64)}
    assert len(firsts) == 2, "each is the last one now and then"
    # The dead are not found, and a name of one's own follows who lives.
    assert code(ask(resolver, query("db"))) == message.SERVER_FAILURE
    place.has("10.0.0.5", "db")
    assert found(ask(resolver, query("database"))) == {"10.0.0.5"}


def test_a_group_is_found_by_its_address_once_it_has_one(
    place: Place, serving: Callable[..., Resolver]
) -> None:
    resolver = serving()

    def find(name: str) -> set[str]:
        return found(ask(resolver, query(name)))

    place.has_member("10.0.0.2", "web-1", "www", "first")
    assert find("web") == find("www") == find("tasks.web") == {"10.0.0.2"}
    place.has_member("10.0.0.3", "web-2", "www", out=True)
    for name in ("web", "WEB", "web.app", "www"):
        assert find(name) == {"10.0.0.254"}
    # What not all of them are called is somebody's own.
    assert find("first") == {"10.0.0.2"}
    assert find("web-2") == {"10.0.0.3"}
    assert find("tasks.web") == find("Tasks.web.app") == {"10.0.0.2", "10.0.0.3"}
    said = ask(resolver, query("254.0.0.10.in-addr.arpa", message.PTR))
    assert said.endswith(b"\x03web\x03app\0")
    # Somebody else who is called so is found beside it.
    place.has("10.0.0.9", "other", "www")
    assert find("www") == {"10.0.0.254", "10.0.0.9"}
    place.loses("10.0.0.2")
    assert find("web") == {"10.0.0.254"}
    assert find("web-2") == {"10.0.0.3"}, "alone, it still has a name of its own"
    place.loses("10.0.0.3")
    assert find("web") == find("tasks.web") == set()
    assert find("www") == {"10.0.0.9"}


def test_by_ipv6_a_group_is_its_members_that_are_in_rotation(
    tmp_path: Path, serving: Callable[..., Resolver]
) -> None:
    six = Place(tmp_path / "networks/0123456789abcdef")
    made = layout.Layout("10.0.0.0/24", "10.0.0.1", subnet6="fd00:9::/64")
    layout.write(six.path, made)
    resolver = serving()
    resolver.names.zones = ((six.path, "app"),)
    six.has_member("10.0.0.2", "web-1", out=True)
    six.has_member("10.0.0.3", "web-2")
    said = ask(resolver, query("web", message.AAAA))
    assert said[6:8] == b"\0\1"
    assert said[-16:] == socket.inet_pton(socket.AF_INET6, "fd00:9::3")
    six.has_member("10.0.0.3", "web-2", out=True)
    assert ask(resolver, query("web", message.AAAA))[6:8] == b"\0\2"
    assert found(ask(resolver, query("web"))) == {"10.0.0.254"}


def test_what_changes_is_seen(place: Place, serving: Callable[..., Resolver]) -> None:
    resolver = serving()
    for last in range(2, 40):
        place.has(f"10.0.0.{last}", "web")
        assert found(ask(resolver, query("web"))) == {f"10.0.0.{last}"}
        place.loses(f"10.0.0.{last}")
        assert found(ask(resolver, query("web"))) == set()


def test_a_name_without_an_address_of_the_kind_is_there(
    place: Place, serving: Callable[..., Resolver]
) -> None:
    place.has("10.0.0.2", "web")
    said = ask(serving(), query("web", message.AAAA))
    assert code(said) == message.NO_ERROR and said[6:8] == b"\0\0"


def test_ipv6_addresses_go_with_the_others(
    tmp_path: Path, serving: Callable[..., Resolver]
) -> None:
    six = Place(tmp_path / "networks/0123456789abcdef")
    made = layout.Layout("10.0.0.0/24", "10.0.0.1", subnet6="fd00:9::/64")
    layout.write(six.path, made)
    six.has("10.0.0.2", "web")
    resolver = serving()
    resolver.names.zones = ((six.path, "app"),)
    said = ask(resolver, query("web", message.AAAA))
    assert said[-16:] == socket.inet_pton(socket.AF_INET6, "fd00:9::2")
    reverse = ".".join("2" + "0" * 23 + "900000df") + ".ip6.arpa"
    assert ask(resolver, query(reverse, message.PTR)).endswith(b"\x03web\x03app\0")


def test_addresses_have_names(place: Place, serving: Callable[..., Resolver]) -> None:
    place.has("10.0.0.2", "web-1", "web")
    said = ask(serving(), query("2.0.0.10.in-addr.arpa", message.PTR))
    assert said.endswith(b"\x05web-1\x03app\0")


def test_other_questions_are_passed_on_and_the_next_server_asked(
    serving: Callable[..., Resolver],
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.bind(("127.0.0.3", 0))
        # Nobody is at the first one.
        resolver = serving(("127.0.0.2", "127.0.0.3"), port=outside.getsockname()[1])
        answers: list[bytes] = []
        asking = threading.Thread(
            target=lambda: answers.append(ask(resolver, query("example.org")))
        )
        asking.start()
        outside.settimeout(20)
        data, client = outside.recvfrom(512)
        assert data == query("example.org")
        outside.sendto(b"\xff\xff of somebody who guesses", client)
        outside.sendto(data[:2] + b" the answer", client)
        asking.join()
    assert answers == [data[:2] + b" the answer"]


def test_servers_that_cannot_be_asked_do_not_use_it_up(
    place: Place, serving: Callable[..., Resolver]
) -> None:
    place.has("10.0.0.2", "web")
    resolver = serving(("no address", "0.0.0.0.0"))
    for _ in range(300):
        assert code(ask(resolver, query("example.org"))) == message.SERVER_FAILURE
    (said,) = ask_tcp(resolver, query("example.org"))
    assert code(said) == message.SERVER_FAILURE
    assert found(ask(resolver, query("web"))) == {"10.0.0.2"}


def test_inside_nobody_else_is_asked(serving: Callable[..., Resolver]) -> None:
    resolver = serving(("127.0.0.3",), leads_out=False)
    assert code(ask(resolver, query("example.org"))) == message.SERVER_FAILURE
    (said,) = ask_tcp(resolver, query("example.org"))
    assert code(said) == message.SERVER_FAILURE


def test_several_questions_on_a_connection(
    place: Place, serving: Callable[..., Resolver]
) -> None:
    for last in range(2, 60):
        place.has(f"10.0.0.{last}", f"web-{last}", "web")
    resolver = serving()
    assert ask(resolver, query("web"))[2] & 2, "too much for a datagram"
    one, many = ask_tcp(resolver, query("web-2"), query("web"))
    assert found(one) == {"10.0.0.2"}
    assert len(found(many)) == 58


def test_rubbish_is_not_answered_and_does_no_harm(
    place: Place, serving: Callable[..., Resolver]
) -> None:
    place.has("10.0.0.2", "web")
    resolver = serving()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for size in range(200):
            client.sendto(bytes(size), resolver.at)  # type: ignore[attr-defined]
    with socket.create_connection(resolver.tcp) as client:  # type: ignore[attr-defined]
        client.sendall(b"\0\3abc")
        assert client.recv(10) == b""
    assert found(ask(resolver, query("web"))) == {"10.0.0.2"}
