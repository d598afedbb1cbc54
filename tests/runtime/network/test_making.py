"""Networks that users make, in a laboratory: who reaches whom, and what is left."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lamina.oci.store.store import Store
from lamina.runtime.errors import NetworkError
from lamina.runtime.network import definitions, layout, making, netns, network
from lamina.runtime.network.definitions import Definition
from lamina.runtime.network.endpoint import Endpoint, Wanted
from lamina.runtime.network.network_state import Lock, network_of
from lamina.runtime.network.planning import Request
from tests.runtime.lab import HOST, NEIGHBOUR, Lab, ask, enter

pytestmark = pytest.mark.root


class Site:
    """A laboratory, a store with networks, and containers on them."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(str(folder / "default"))
        Store.open(str(folder / "store")).close()
        self.root = str(folder / "store")
        self._open: list[int] = []

    def network(
        self, name: str, request: Request | None = None, **options: str
    ) -> Definition:
        named = {
            f"com.docker.network.bridge.{key}": given for key, given in options.items()
        }
        asked = request or Request()
        return self.lab.on_host(
            lambda: making.create(self.root, name, asked, named, {})
        )

    def container(
        self, *on: Definition, wanted: Wanted | None = None
    ) -> tuple[int, list[Endpoint]]:
        namespace = netns.new_namespace()
        self._open.append(namespace)
        found = []
        for number, one in enumerate(on):
            asked = wanted or Wanted(one.name, interface=f"eth{number}")
            join = partial(network.connect, one.place, namespace, "c", wanted=asked)
            found.append(self.lab.on_host(join))
        return namespace, found

    def close(self) -> None:
        for namespace in self._open:
            os.close(namespace)
        for found in list(definitions.definitions(self.root)):
            leases = network_of(found.place).leases
            for address in os.listdir(leases):
                os.unlink(os.path.join(leases, address))
            self.lab.on_host(partial(making.remove, self.root, found.name))
            assert not os.path.exists(found.place)
        self.lab.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def refused(namespace: int, address: str, port: int = 80) -> bool:
    try:
        ask(namespace, address, port, 1.0)
    except OSError:
        return True
    return False


def test_networks_reach_out_and_not_each_other(site: Site) -> None:
    one, two = site.network("one"), site.network("two")
    first, _ = site.container(one)
    second, (at,) = site.container(two)
    site.lab.serve(second, 80, "two")
    site.lab.serve(site.lab.neighbour, 80, "outside")
    assert ask(first, NEIGHBOUR, 80) == f"outside {HOST}"
    assert refused(first, at.address)
    assert refused(site.lab.container().namespace, at.address)
    both, _ = site.container(one, two)
    assert ask(both, at.address, 80).startswith("two ")


def test_what_is_published_is_reached_from_everywhere(site: Site) -> None:
    one, two = site.network("one"), site.network("two")
    serving, (at,) = site.container(one)
    other, _ = site.container(two)
    site.lab.serve(serving, 80, "here")
    ports = network.parse_port("8080:80")
    published = site.lab.on_host(lambda: network.publish(one.place, at, ports))
    with published:
        for namespace in (site.lab.host, site.lab.neighbour, other, serving):
            assert ask(namespace, HOST, 8080).startswith("here ")
        assert ask(site.lab.host, "127.0.0.1", 8080).startswith("here ")


def test_nothing_goes_in_or_out_of_an_internal_one(site: Site) -> None:
    inside = site.network("inside", Request(internal=True))
    first, (at,) = site.container(inside)
    second, _ = site.container(inside)
    site.lab.serve(site.lab.neighbour, 80, "outside")
    site.lab.serve(first, 80, "inside")
    assert ask(second, at.address, 80).startswith("inside ")
    assert ask(site.lab.host, at.address, 80).startswith("inside ")
    assert not at.gateway
    script = f"ip route add default via {inside.layout.gateway}"
    subprocess.run([*enter(first), "sh", "-c", script], check=True)
    assert refused(first, NEIGHBOUR)


def test_containers_that_do_not_reach_each_other(site: Site) -> None:
    apart = site.network("apart", enable_icc="false")
    first, (at,) = site.container(apart)
    second, _ = site.container(apart)
    site.lab.serve(first, 80, "first")
    site.lab.serve(site.lab.neighbour, 80, "outside")
    assert refused(second, at.address)
    assert ask(second, NEIGHBOUR, 80) == f"outside {HOST}"


def test_ipv6_inside_and_out(site: Site) -> None:
    lab = site.lab
    lab.run("ip addr add 2001:db8::1/64 dev eth0 nodad")
    lab.run("ip addr add 2001:db8::9/64 dev lan0 nodad", lab.neighbour)
    lab.run("ip route add fd00:9::/64 via 2001:db8::1", lab.neighbour)
    six = site.network("six", Request(subnets=("fd00:9::/64",)))
    first, (at,) = site.container(six)
    second, (other,) = site.container(six)
    assert (at.address6, other.address6) == ("fd00:9::2", "fd00:9::3")

    def hear(namespace: int) -> socket.socket:
        return netns.inside(
            namespace,
            lambda: socket.create_server(("::", 80), family=socket.AF_INET6),
        )

    def seen(server: socket.socket, namespace: int, address: str) -> str:
        """Who the server sees when somebody in `namespace` connects."""
        with netns.inside(
            namespace, lambda: socket.create_connection((address, 80), 5)
        ):
            connection, who = server.accept()
            connection.close()
            return str(who[0])

    with hear(first) as server, hear(lab.neighbour) as outside:
        assert seen(server, second, at.address6) == other.address6
        assert seen(outside, second, "2001:db8::9") == "2001:db8::1"
        with pytest.raises(OSError):
            seen(server, lab.neighbour, at.address6)
    # The host goes on learning its routes, and never from containers (CVE-2020-13401).
    accepting = [
        lab.run(f"cat /proc/sys/net/ipv6/conf/{name}/accept_ra").strip()
        for name in ("eth0", f"lm{six.id[:12]}", "default")
    ]
    assert accepting == ["2", "0", "1"]
    asked = Wanted("six", address6="fd00:9::2")
    with pytest.raises(NetworkError, match="in use"):
        site.container(six, wanted=asked)
    _, (own,) = site.container(six, wanted=Wanted("six", address6="fd00:9::abc"))
    assert own.address6 == "fd00:9::abc"


def test_rules_that_somebody_flushed_come_back_with_the_next(site: Site) -> None:
    six = site.network("six", Request(ipv6=True))
    site.container(six)
    table = f"lamina_{six.id[:12]}"
    for family in ("ip", "ip6"):
        site.lab.run(f"nft delete table {family} {table}")
        site.container(six)
        assert "chain forward" in site.lab.run(f"nft list table {family} {table}")
    site.lab.run(f"ip link del lm{six.id[:12]}")
    site.container(six)
    assert "lm" in site.lab.run("ip -br link show type bridge")


def test_a_range_and_what_is_reserved(site: Site) -> None:
    request = Request(
        subnets=("10.219.8.0/24",),
        pools=("10.219.8.16/30",),
        reserved=("10.219.8.17",),
    )
    tiny = site.network("tiny", request)
    got = {site.container(tiny)[1][0].address for _ in range(3)}
    assert got == {"10.219.8.16", "10.219.8.18", "10.219.8.19"}
    with pytest.raises(NetworkError, match="are taken"):
        site.container(tiny)


def test_what_died_while_it_was_made_is_removed(site: Site) -> None:
    kept = site.network("kept")
    lost = site.network("lost")
    # As if it had died before the record was written.
    os.unlink(f"{site.root}/networks/lost.json")
    site.lab.on_host(lambda: making.collect(site.root))
    assert not os.path.exists(lost.place) and os.path.exists(kept.place)
    bridges = site.lab.run("ip -br link show type bridge")
    assert f"lm{lost.id[:12]}" not in bridges and f"lm{kept.id[:12]}" in bridges
    assert lost.id[:12] not in site.lab.run("nft list tables")


def test_another_stores_networks_are_left_alone(site: Site, tmp_path: Path) -> None:
    kept = site.network("kept")
    Store.open(str(tmp_path / "other")).close()
    site.lab.on_host(lambda: making.collect(str(tmp_path / "other")))
    assert os.path.exists(kept.place)


def test_after_the_machine_was_started_anew(site: Site) -> None:
    kept = site.network("kept")
    site.lab.run(f"ip link del lm{kept.id[:12]}; nft flush ruleset")
    with Lock(network_of(kept.place)):
        os.unlink(os.path.join(kept.place, "layout"))
    with pytest.raises(NetworkError, match="is no more"):
        site.container(kept)
    site.lab.on_host(lambda: making.restore(site.root, kept))
    assert layout.read(kept.place) == kept.layout
    _, (at,) = site.container(kept)
    assert at.gateway == kept.layout.gateway
