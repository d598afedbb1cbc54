from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import addresses, links, netlink, netns, network
from lamina.runtime.network.network import (
    connect,
    disconnect,
    new_namespace,
    remove_network,
)
from lamina.runtime.network.network_state import STATE_DIR, network_of
from lamina.runtime.owner import Owner
from tests.runtime.lab import HOST, NEIGHBOUR, Lab, ask, enter

pytestmark = pytest.mark.root


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(str(tmp_path / "network"))
    yield made
    made.close()


def test_a_container_has_an_address_a_way_out_and_loopback(lab: Lab) -> None:
    container = lab.container()
    endpoint = container.endpoint
    with netns.inside(
        container.namespace, lambda: netlink.Socket(netlink.ROUTE)
    ) as route:
        found = links.find_interface(route)
    assert found == links.FoundInterface(
        endpoint.address, 24, endpoint.gateway, endpoint.mtu, endpoint.mac
    )
    lab.serve(container.namespace, 80, "hello")
    assert ask(container.namespace, "127.0.0.1", 80) == "hello 127.0.0.1"


def test_containers_reach_each_other_and_the_host(lab: Lab) -> None:
    one, two = lab.container("one"), lab.container("two")
    lab.serve(two.namespace, 80, "two")
    lab.serve(lab.host, 81, "host")
    assert ask(one.namespace, two.address, 80) == f"two {one.address}"
    assert ask(one.namespace, one.endpoint.gateway, 81) == f"host {one.address}"
    assert ask(lab.host, two.address, 80) == f"two {two.endpoint.gateway}"


def test_the_outside_sees_the_host(lab: Lab) -> None:
    container = lab.container()
    lab.serve(lab.neighbour, 80, "outside")
    assert ask(container.namespace, NEIGHBOUR, 80) == f"outside {HOST}"


def test_the_links_carry_packets_when_connect_returns(lab: Lab) -> None:
    """Else the first packet is lost, now and then, and the second comes 1 s later."""

    def connected() -> set[bytes]:
        connect(lab.state_dir, namespace, "c")
        with netlink.Socket(netlink.ROUTE) as route:
            listed = route.request(netlink.Message(18, netlink.DUMP, bytes(16)))
        found = [netlink.attributes(link, 16) for link in listed]
        ours = [link for link in found if link[3][:1] == b"l" and link[3] != b"lo\0"]
        return {link[16] for link in ours}

    for _ in range(20):
        namespace = new_namespace()
        assert lab.on_host(connected) == {b"\x06"}, "IF_OPER_UP"
        os.close(namespace)


def test_packets_are_no_larger_than_the_way_out_takes(lab: Lab) -> None:
    assert lab.container().endpoint.mtu == 1400


def test_the_default_network_has_a_name_and_others_have_their_own(
    tmp_path: Path,
) -> None:
    default = network_of(STATE_DIR)
    assert (default.bridge, default.table) == ("lamina0", "lamina")
    other = network_of(str(tmp_path))
    assert other.bridge != default.bridge
    assert len(other.bridge) < 16, "the kernel's limit of names of links"


DOCKER = """
iptables -P FORWARD DROP
iptables -N DOCKER-USER
iptables -A DOCKER-USER -j RETURN
iptables -A FORWARD -j DOCKER-USER
iptables -A FORWARD -i docker0 -j ACCEPT
"""


def test_dockers_drop_policy_does_not_concern_us(lab: Lab) -> None:
    lab.run(DOCKER)
    one, two = lab.container("one"), lab.container("two")
    lab.serve(lab.neighbour, 80, "outside")
    lab.serve(two.namespace, 80, "two")
    assert ask(one.namespace, NEIGHBOUR, 80) == f"outside {HOST}"
    assert ask(one.namespace, two.address, 80) == f"two {one.address}"


def test_the_administrators_rules_come_before_ours(lab: Lab) -> None:
    lab.run(DOCKER)
    lab.run("iptables -I DOCKER-USER -p tcp --dport 81 -j REJECT")
    container = lab.container()
    lab.serve(lab.neighbour, 81, "forbidden")
    with pytest.raises(OSError, match="refused"):
        ask(container.namespace, NEIGHBOUR, 81)


def test_docker_that_comes_later_is_noticed(lab: Lab) -> None:
    lab.container()
    lab.run(DOCKER)
    lab.serve(lab.neighbour, 80, "outside")
    second = lab.container("second")
    assert ask(second.namespace, NEIGHBOUR, 80) == f"outside {HOST}"
    chain = lab.run("iptables -S FORWARD").splitlines()
    assert "-j DOCKER-USER" in chain[1]
    assert chain[2].startswith("-A FORWARD -i lam"), "iptables can read our rules"


@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",
        "nft delete table ip {table}",
        "nft flush table ip {table}",
        "nft flush chain ip {table} post",
        "iptables -F FORWARD",
        "iptables-save > /tmp/{table}; iptables -F; iptables-restore /tmp/{table}; "
        "rm /tmp/{table}; iptables -D FORWARD 2",
        "ip link del {bridge}",
        "ip link set {bridge} down",
        "ip addr flush dev {bridge}",
        "sysctl -q net.ipv4.ip_forward=0",
        "sysctl -q net.ipv4.conf.{bridge}.route_localnet=0",
    ],
)
def test_what_others_break_the_next_container_repairs(lab: Lab, damage: str) -> None:
    lab.run(DOCKER)
    before = lab.container("before")
    names = network_of(lab.state_dir)
    lab.run(damage.format(bridge=names.bridge, table=names.table))
    lab.run("iptables -P FORWARD DROP")
    after = lab.container("after")
    lab.serve(lab.neighbour, 80, "outside")
    assert ask(after.namespace, NEIGHBOUR, 80) == f"outside {HOST}"
    assert after.endpoint.gateway == before.endpoint.gateway


def test_a_whole_network_is_not_touched(lab: Lab) -> None:
    lab.container()
    before = lab.run("nft -a list ruleset; ip -d link; sysctl net.ipv4.conf")
    lab.container()
    after = lab.run("nft -a list ruleset")
    assert after.splitlines() == before.splitlines()[: len(after.splitlines())]


def test_a_subnet_that_leads_elsewhere_is_left_alone(lab: Lab) -> None:
    taken = network_of(lab.state_dir).subnet
    lab.run(f"ip route add {taken} via {NEIGHBOUR}")
    subnet = addresses.Subnet.parse(lab.container().address + "/24")
    assert not subnet.overlaps(addresses.Subnet.parse(taken))


def test_a_link_that_is_no_bridge_is_not_taken(lab: Lab) -> None:
    lab.run(f"ip link add {network_of(lab.state_dir).bridge} type veth")
    with pytest.raises(NetworkError, match="not a bridge") as caught:
        lab.container()
    assert "ip link set" in caught.value.hint


def test_addresses_come_back_but_not_at_once(lab: Lab) -> None:
    first = lab.container("first")
    lab.on_host(lambda: disconnect(lab.state_dir, first.endpoint))
    lab.on_host(lambda: disconnect(lab.state_dir, first.endpoint))
    assert lab.container("second").address != first.address
    assert os.listdir(network_of(lab.state_dir).leases) != []


def test_the_address_of_another_living_process_is_not_freed(lab: Lab) -> None:
    container = lab.container()
    path = os.path.join(network_of(lab.state_dir).leases, container.address)
    Path(path).write_text(str(Owner.of("somebody else", os.getppid())))
    lab.on_host(lambda: disconnect(lab.state_dir, container.endpoint))
    assert Path(path).exists()


def test_a_failed_connection_leaves_no_lease(lab: Lab) -> None:
    lab.container()
    with open(os.devnull) as nothing, pytest.raises(NetworkError):
        lab.on_host(lambda: connect(lab.state_dir, nothing.fileno(), "x"))
    assert len(addresses.leases(network_of(lab.state_dir).leases)) == 1


CLIENT = """
import sys
from lamina.runtime.network.network import connect, new_namespace
sys.stdin.readline()
endpoint = connect(sys.argv[1], new_namespace(), "c" + sys.argv[2])
print(endpoint.address, endpoint.gateway, flush=True)
sys.stdin.readline()
"""


def test_twenty_processes_at_first_use_make_one_network(lab: Lab) -> None:
    command = [*enter(lab.host), sys.executable, "-c", CLIENT, lab.state_dir]
    clients = [
        subprocess.Popen(
            [*command, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    for client in clients:
        assert client.stdin
        client.stdin.write("go\n")
        client.stdin.flush()
    answers = [client.stdout.readline().split() for client in clients if client.stdout]
    assert len({address for address, _ in answers}) == 20
    assert len({gateway for _, gateway in answers}) == 1
    assert not lab.on_host(lambda: remove_network(lab.state_dir)), "it is in use"
    for client in clients:
        client.communicate("go\n")
    assert len(lab.run("ip -br link show type bridge").splitlines()) == 1
    # Nobody gave an address back: the processes are gone, and that is enough.
    assert lab.on_host(lambda: remove_network(lab.state_dir))


def test_nothing_is_left_of_a_removed_network(lab: Lab) -> None:
    lab.run(DOCKER)
    before = lab.run("iptables -S; nft list tables; ip -br link show type bridge")
    container = lab.container()
    assert not lab.on_host(lambda: remove_network(lab.state_dir))
    lab.on_host(lambda: disconnect(lab.state_dir, container.endpoint))
    assert lab.on_host(lambda: remove_network(lab.state_dir))
    after = lab.run("iptables -S; nft list tables; ip -br link show type bridge")
    assert after == before
    assert lab.on_host(lambda: remove_network(lab.state_dir)), "twice is fine"


def test_neighbours_reach_no_port_that_is_not_published(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "private")
    lab.run(f"ip route add default via {HOST}", lab.neighbour)
    with pytest.raises(TimeoutError):
        ask(lab.neighbour, container.address, 80, patience=0.5)


def test_a_forged_packet_does_not_reach_the_hosts_loopback(lab: Lab) -> None:
    """CVE-2020-8558: route_localnet lets 127.0.0.1 in unless something drops it."""
    container = lab.container()
    victim = lab.on_host(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    victim.bind(("127.0.0.1", 5353))
    victim.settimeout(0.3)
    raw = netns.inside(
        container.namespace,
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0008),
    )
    raw.bind(("eth0", 0))
    with victim, raw:
        raw.send(_datagram(container.endpoint, "127.0.0.1", 5353))
        with pytest.raises(TimeoutError):
            victim.recv(100)
        # The same datagram to an address that it may go to does arrive.
        open_to_all = lab.on_host(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        )
        open_to_all.bind((container.endpoint.gateway, 5354))
        open_to_all.settimeout(5)
        with open_to_all:
            raw.send(_datagram(container.endpoint, container.endpoint.gateway, 5354))
            assert open_to_all.recv(100) == b"forged"


def _datagram(endpoint: network.Endpoint, address: str, port: int) -> bytes:
    """An Ethernet frame to the gateway, as a container with CAP_NET_RAW sends it."""
    payload = b"forged"
    udp = struct.pack("!HHHH", 4242, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    ip = head + socket.inet_aton(endpoint.address) + socket.inet_aton(address)
    total = sum(struct.unpack("!10H", ip))
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    ip = ip[:10] + struct.pack("!H", total) + ip[12:]
    gateway = bytes.fromhex(links.mac_of(endpoint.gateway).replace(":", ""))
    return (
        gateway
        + bytes.fromhex(endpoint.mac.replace(":", ""))
        + struct.pack("!H", 0x0800)
        + ip
        + udp
    )


def test_a_namespace_needs_no_process_and_goes_with_its_descriptor() -> None:
    namespace = new_namespace()
    before = os.stat("/proc/thread-self/ns/net").st_ino
    assert (
        netns.inside(namespace, lambda: os.stat("/proc/thread-self/ns/net").st_ino)
        != before
    )
    assert os.stat("/proc/thread-self/ns/net").st_ino == before
    os.close(namespace)


@pytest.mark.network
def test_names_resolve_and_the_package_mirror_answers(tmp_path: Path) -> None:
    """On the real network of this machine, beside whatever Docker has done to it."""
    state_dir = str(tmp_path / "network")
    namespace = new_namespace()
    try:
        endpoint = connect(state_dir, namespace, "mirror")
        mirror = _mirror()
        found = subprocess.run(
            [*enter(namespace), "getent", "ahostsv4", mirror],
            check=False,
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, f"{mirror} does not resolve"
        assert ask_head(namespace, found.stdout.split()[0], mirror)
        disconnect(state_dir, endpoint)
    finally:
        os.close(namespace)
        assert remove_network(state_dir)


def ask_head(namespace: int, address: str, name: str) -> str:
    def call() -> str:
        with socket.create_connection((address, 80), 20) as connection:
            request = f"HEAD / HTTP/1.0\r\nHost: {name}\r\n\r\n"
            connection.sendall(request.encode())
            return connection.makefile().readline()

    return netns.inside(namespace, call)


def _mirror() -> str:
    """The host of the first Debian mirror that this machine's apt uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"],
        check=True,
        capture_output=True,
        text=True,
    )
    sites = [site for site in listed.stdout.splitlines() if site.startswith("http:")]
    return sites[0].split("/")[2].partition(":")[0]
