"""Groups in a laboratory: who is led to, from where, and what survives what."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import addresses, groups, netlink, netns, network, portmap
from lamina.runtime.network.addresses import IN, OUT, STANDBY
from lamina.runtime.network.definitions import Definition
from lamina.runtime.network.endpoint import Endpoint, Wanted
from lamina.runtime.network.network_state import network_of
from lamina.runtime.network.planning import Request
from lamina.runtime.network.ports import PortMapping, parse_port
from lamina.runtime.network.published import Published, collect, publish
from lamina.runtime.owner import Owner
from lamina.values import replace
from tests.runtime.lab import HOST, ask
from tests.runtime.network.test_making import Site, refused

pytestmark = pytest.mark.root

BRIDGED = "/proc/sys/net/bridge/bridge-nf-call-iptables"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def datagrams() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    return made


class Group:
    """Members of the group `web` of a network, each with a server."""

    def __init__(self, site: Site, on: Definition) -> None:
        self.site = site
        self.on = on
        self.members: list[tuple[int, Endpoint]] = []

    def add(self, name: str, rotation: str = IN, address: str = "") -> Endpoint:
        wanted = Wanted(self.on.name, address, group="web")
        namespace, (endpoint,) = self.site.container(self.on, wanted=wanted)
        self.site.lab.serve(namespace, 80, name)
        self.site.lab.serve_udp(namespace, 53, name)
        self.members.append((namespace, endpoint))
        self.rotate(endpoint, rotation)
        return endpoint

    def rotate(self, endpoint: Endpoint, rotation: str) -> None:
        def rotate() -> None:
            with netlink.Socket(netlink.NETFILTER) as nft:
                groups.rotate(endpoint.place, endpoint.address, rotation, nft)

        self.site.lab.on_host(rotate)

    def remove(self, endpoint: Endpoint) -> None:
        leave = partial(network.disconnect, endpoint.place, endpoint)
        self.site.lab.on_host(leave)

    def publish(
        self,
        endpoint: Endpoint,
        text: str,
        lent: Mapping[PortMapping, Sequence[socket.socket]] | None = None,
    ) -> Published:
        """Publish a port of a member, with the sockets that others have."""
        ports = parse_port(text)
        opened = partial(publish, endpoint.place, endpoint, ports, lent=lent or {})
        return self.site.lab.on_host(opened)

    @property
    def vip(self) -> str:
        return groups.virtual(network_of(self.on.place))["web"]

    def answers(self, namespace: int, address: str = "", port: int = 80) -> set[str]:
        """Who answers, each as often as the others."""
        there = address or self.vip
        said = Counter(ask(namespace, there, port).split()[0] for _ in range(12))
        assert len(set(said.values())) == 1
        return set(said)


@pytest.fixture
def web(site: Site) -> Group:
    return Group(site, site.network("app"))


def test_the_second_member_gives_the_group_its_address(site: Site, web: Group) -> None:
    one = web.add("one")
    assert groups.virtual(network_of(web.on.place)) == {}
    web.add("two")
    subnet = web.on.layout.size
    assert web.vip == addresses.dotted(subnet.last - 1)
    client, _ = site.container(web.on)
    for who in (client, site.lab.host, web.members[0][0]):
        assert web.answers(who) == {"one", "two"}
    web.remove(one)
    assert web.answers(client) == {"two"}
    assert web.vip == addresses.dotted(subnet.last - 1)


def test_nobody_else_gets_the_address_or_comes_in_by_it(site: Site, web: Group) -> None:
    other, _ = site.container(site.network("other"))
    for name in ("one", "two"):
        web.add(name)
    site.lab.serve(site.lab.host, 80, "host")
    with pytest.raises(NetworkError, match="is in use"):
        site.container(web.on, wanted=Wanted("app", web.vip))
    route = f"ip route add {web.on.layout.subnet} via {HOST}"
    site.lab.run(route, site.lab.neighbour)
    for stranger in (other, site.lab.neighbour):
        assert refused(stranger, web.vip)


def test_addresses_come_from_the_range_that_is_given_out(site: Site) -> None:
    asked = Request(("10.219.4.0/24",), pools=("10.219.4.8/30",))
    web = Group(site, site.network("app", asked))
    for name in ("one", "two"):
        web.add(name, address="10.219.4.11" if name == "one" else "")
    assert web.vip == "10.219.4.10"


def test_a_full_network_says_so(site: Site) -> None:
    web = Group(site, site.network("app", Request(("10.219.4.0/30",))))
    web.add("one")
    with pytest.raises(NetworkError, match="free for the group web"):
        web.add("two")


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (Request(internal=True), {}),
        (Request(), {"enable_ip_masquerade": "false"}),
        (Request(ipv6=True), {}),
    ],
)
def test_of_every_kind_of_network(
    site: Site, request_: Request, options: dict[str, str]
) -> None:
    web = Group(site, site.network("app", request_, **options))
    for name in ("one", "two"):
        web.add(name)
    client, _ = site.container(web.on)
    assert web.answers(client) == {"one", "two"}


def test_where_containers_do_not_reach_each_other(site: Site) -> None:
    # Else what is led to a neighbour stays among the bridge's ports.
    site.lab.run(f"[ ! -e {BRIDGED} ] || echo 0 >{BRIDGED}")
    web = Group(site, site.network("app", enable_icc="false"))
    one, _ = web.add("one"), web.add("two")
    client, (endpoint,) = site.container(web.on)
    assert refused(client, one.address) and refused(client, web.vip)
    # Nor by way of the host, which would pass it on.
    site.lab.run(f"ip route add {one.address} via {endpoint.gateway}", client)
    with netns.inside(web.members[0][0], datagrams) as there:
        there.bind(("", 99))
        for who in (client, site.lab.host):
            with netns.inside(who, datagrams) as here:
                here.sendto(str(who).encode(), (one.address, 99))
        assert there.recv(99) == str(site.lab.host).encode()
    assert web.answers(site.lab.host) == {"one", "two"}
    opened = web.publish(one, "8080:80")
    try:
        assert ask(client, HOST, 8080).startswith("one")
    finally:
        site.lab.on_host(opened.close)


@pytest.mark.skipif(not os.path.exists(BRIDGED), reason="needs br_netfilter")
def test_where_frames_of_a_bridge_go_through_the_firewall(
    site: Site, web: Group
) -> None:
    site.lab.run(f"echo 1 >{BRIDGED}; iptables -P FORWARD DROP")
    for name in ("one", "two"):
        web.add(name)
    client, _ = site.container(web.on)
    assert web.answers(client) == {"one", "two"}
    assert web.answers(web.members[0][0]) == {"one", "two"}


def test_connections_stay_and_datagrams_do_not(site: Site, web: Group) -> None:
    one, two = web.add("one"), web.add("two")
    client, _ = site.container(web.on)
    web.rotate(two, OUT)

    def talk() -> tuple[socket.socket, socket.socket]:
        stream = socket.create_connection((web.vip, 81), 5)
        packets = datagrams()
        packets.connect((web.vip, 53))
        return stream, packets

    def keep() -> socket.socket:
        return socket.create_server(("0.0.0.0", 81))

    with ExitStack() as stack:
        server = stack.enter_context(netns.inside(web.members[0][0], keep))
        stream, packets = map(stack.enter_context, netns.inside(client, talk))
        near = stack.enter_context(server.accept()[0])
        packets.send(b"?")
        assert packets.recv(99).startswith(b"one")
        web.rotate(two, IN)
        web.rotate(one, OUT)
        near.sendall(b"still")
        assert stream.recv(99) == b"still"
        packets.send(b"?")
        assert packets.recv(99).startswith(b"two")


def test_who_is_on_standby_is_led_to_while_nobody_is_in(site: Site, web: Group) -> None:
    one, two, _ = (web.add(name, STANDBY) for name in ("one", "two", "three"))
    client, _ = site.container(web.on)
    assert web.answers(client) == {"one", "two", "three"}
    web.rotate(two, IN)
    assert web.answers(client) == {"two"}
    web.rotate(one, OUT)
    web.rotate(two, OUT)
    assert web.answers(client) == {"three"}


def test_while_nobody_is_in_rotation_nobody_answers(site: Site, web: Group) -> None:
    one = web.add("one", rotation=OUT)
    web.add("two", rotation=OUT)
    site.lab.serve(site.lab.host, 80, "host")
    client, _ = site.container(web.on)
    assert refused(client, web.vip) and refused(site.lab.host, web.vip)
    web.rotate(one, IN)
    assert web.answers(client) == web.answers(site.lab.host) == {"one"}


def test_what_others_flush_or_remove_comes_back(site: Site, web: Group) -> None:
    for name in ("one", "two"):
        web.add(name)
    table, bridge = network_of(web.on.place).table, network_of(web.on.place).bridge
    gateway = f"{web.on.layout.gateway}/24"
    opened = web.publish(web.members[0][1], "8080:80")
    for harm in (
        f"nft flush chain ip {table} virtual",
        "nft flush ruleset",
        f"ip addr del {web.vip}/32 dev {bridge}",
        # The group's address is the first one then.
        f"ip addr del {gateway} dev {bridge}; ip addr add {gateway} dev {bridge}",
    ):
        site.lab.run(harm)
        client, _ = site.container(web.on)
        assert web.answers(client) == {"one", "two"}
        assert ask(site.lab.host, HOST, 8080).startswith("one")
    site.lab.on_host(opened.close)
    # With the bridge the containers' links are gone; who comes now finds it whole.
    site.lab.run(f"ip link del {bridge}")
    client, _ = site.container(web.on)
    for _, endpoint in web.members:
        web.remove(endpoint)
    web.add("three")
    assert web.answers(client) == {"three"}


def test_the_dead_are_not_led_to(site: Site, web: Group) -> None:
    one, two = web.add("one"), web.add("two")
    leases = network_of(web.on.place).leases
    leased = addresses.read(leases, two.address)
    assert leased is not None
    dead = replace(leased, owner=Owner("two", 1 << 22, 1, "no boot"))
    addresses.write(leases, dead)
    client, _ = site.container(web.on)  # any container's start looks
    assert web.answers(client) == {"one"}
    web.rotate(one, OUT)
    assert refused(client, web.vip)


def test_ports_are_led_to_those_in_rotation(site: Site, web: Group) -> None:
    one, two = web.add("one", rotation=OUT), web.add("two", rotation=OUT)
    client, _ = site.container(web.on)
    site.lab.serve(site.lab.neighbour, 80, "outside")
    first = web.publish(one, "8080:80")
    (mapping,) = first.shared.mappings
    # As borrow_ports gives them.
    lent = [socket.socket(fileno=os.dup(fd)) for fd in first.shared.sockets_of(mapping)]
    with pytest.raises(NetworkError, match="Port 8080 is already in use"):
        web.publish(two, "8080:80")
    second = web.publish(two, "8080:80", {mapping: lent})
    everywhere = ((site.lab.host, "127.0.0.1"), (site.lab.host, HOST), (client, HOST))
    for who, address in (*everywhere, (site.lab.neighbour, HOST)):
        assert refused(who, address, 8080), "it waits"
    for endpoint in (one, two):
        web.rotate(endpoint, IN)
    for who, address in (*everywhere, (site.lab.neighbour, HOST)):
        assert web.answers(who, address, port=8080) == {"one", "two"}
    site.lab.on_host(first.close)
    for who, address in everywhere:
        assert web.answers(who, address, port=8080) == {"two"}
    with pytest.raises(NetworkError, match="Port 8080 is already in use"):
        web.publish(one, "8080:80")
    site.lab.on_host(second.close)
    site.lab.on_host(web.publish(one, "8080:80").close)


def test_datagrams_to_a_shared_port_follow_who_is_in_rotation(
    site: Site, web: Group
) -> None:
    one, two = web.add("one"), web.add("two", rotation=OUT)
    early = netns.inside(site.lab.neighbour, datagrams)
    early.connect((HOST, 5353))
    early.send(b"before there is anything")
    opened = web.publish(one, "5353:53/udp")
    (mapping,) = opened.shared.mappings
    lent = [
        socket.socket(fileno=os.dup(fd)) for fd in opened.shared.sockets_of(mapping)
    ]
    others = web.publish(two, "5353:53/udp", {mapping: lent})

    with early as packets:
        with pytest.raises(ConnectionRefusedError):
            packets.recv(99)
        for leaving, coming in ((two, one), (one, two), (two, one)):
            web.rotate(coming, IN)
            web.rotate(leaving, OUT)
            packets.send(b"?")
            assert packets.recv(99).startswith(b"one" if coming is one else b"two")
    for published in (opened, others):
        site.lab.on_host(published.close)


def test_a_port_of_one_address_is_led_there_alone(site: Site, web: Group) -> None:
    one, two = web.add("one"), web.add("two")
    opened = [
        web.publish(one, f"{HOST}:8080:80"),
        web.publish(two, "127.0.0.1:8080:80"),
    ]
    assert web.answers(site.lab.neighbour, HOST, port=8080) == {"one"}
    assert web.answers(site.lab.host, "127.0.0.1", port=8080) == {"two"}
    for one_of_them in opened:
        site.lab.on_host(one_of_them.close)


def test_any_free_port_is_a_members_own(site: Site, web: Group) -> None:
    opened = [web.publish(web.add(name), "80") for name in ("one", "two")]
    ports = [published.ports[0].host_port for published in opened]
    assert [published.shared.mappings for published in opened] == [(), ()]
    for name, port in zip(("one", "two"), ports, strict=True):
        assert web.answers(site.lab.neighbour, HOST, port=port) == {name}
    for published in opened:
        site.lab.on_host(published.close)


def test_what_the_dead_shared_is_led_to_no_more(site: Site, web: Group) -> None:
    one, two = web.add("one"), web.add("two")
    first = web.publish(one, "8080:80")
    (mapping,) = first.shared.mappings
    lent = [socket.socket(fileno=os.dup(fd)) for fd in first.shared.sockets_of(mapping)]
    second = web.publish(two, "8080:80", {mapping: lent})
    network = network_of(one.place)
    dead = Owner("one", 1 << 22, 1, "no boot")
    for element in portmap.living(network.ports, shared=True):
        if element.address == one.address:
            portmap.record(network.ports, element, dead, shared=True)
    first.release()
    assert site.lab.on_host(partial(collect, one.place)) == 1
    assert web.answers(site.lab.neighbour, HOST, port=8080) == {"two"}
    site.lab.on_host(second.close)


def test_a_network_goes_with_its_groups(site: Site, web: Group) -> None:
    for endpoint in (web.add("one"), web.add("two")):
        web.remove(endpoint)
    place = web.on.place
    assert site.lab.on_host(partial(network.remove_network, place))
    assert groups.virtual(network_of(place)) == {}
    assert "lamina" not in site.lab.run("nft list ruleset; ip link")
