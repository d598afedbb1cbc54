from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import netns
from lamina.runtime.network.network import Endpoint, disconnect
from lamina.runtime.network.network_state import network_of
from lamina.runtime.network.port_users import user_of
from lamina.runtime.network.ports import PortMapping, parse_port
from lamina.runtime.network.published import Published, collect, publish
from tests.runtime.lab import HOST, Container, Lab, ask, ask_udp, enter

pytestmark = pytest.mark.root


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(str(tmp_path / "network"))
    yield made
    made.close()


@contextmanager
def published(container: Container, *texts: str) -> Iterator[Published]:
    """Ports of a container, served as its keeper would serve them."""
    lab = container.lab
    ports = tuple(mapping for text in texts for mapping in parse_port(text))
    opened = lab.on_host(lambda: publish(lab.state_dir, container.endpoint, ports))
    stop, tell = os.pipe()

    def serve() -> None:
        poll = select.poll()
        poll.register(opened.fileno(), select.POLLIN)
        poll.register(stop, select.POLLIN)
        while all(fd != stop for fd, _ in poll.poll()):
            opened.serve()

    thread = threading.Thread(target=lambda: netns.inside(lab.host, serve))
    thread.start()
    try:
        yield opened
    finally:
        os.close(tell)
        thread.join()
        os.close(stop)
        lab.on_host(opened.close)


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed at the end, whatever the end is."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def test_a_port_is_reached_from_everywhere(lab: Lab) -> None:
    one, other = lab.container("one"), lab.container("other")
    lab.serve(one.namespace, 80, "web")
    with published(one, "8080:80") as opened:
        assert opened.ports == (PortMapping("", 8080, 80),)
        gateway = one.endpoint.gateway
        assert ask(lab.neighbour, HOST, 8080) == "web 198.51.100.9"
        for address in ("127.0.0.1", HOST, gateway, "::1"):
            assert ask(lab.host, address, 8080).startswith("web"), address
        assert ask(other.namespace, gateway, 8080).startswith("web")
        assert ask(other.namespace, HOST, 8080).startswith("web")
        assert ask(one.namespace, gateway, 8080) == f"web {gateway}", "its own port"


def test_with_iptables_in_the_way_of_the_bridge(lab: Lab) -> None:
    lab.run("iptables -P FORWARD DROP")
    container, other = lab.container(), lab.container()
    lab.serve(container.namespace, 80, "web")
    with published(container, "8080:80"):
        assert ask(lab.neighbour, HOST, 8080) == "web 198.51.100.9"
        assert ask(other.namespace, HOST, 8080).startswith("web")
        assert ask(container.namespace, HOST, 8080).startswith("web")


def test_datagrams(lab: Lab) -> None:
    container = lab.container()
    lab.serve_udp(container.namespace, 53, "dns")
    with published(container, "5353:53/udp"):
        assert ask_udp(lab.neighbour, HOST, 5353) == "dns 198.51.100.9"
        assert ask_udp(lab.host, "127.0.0.1", 5353).startswith("dns")
        assert ask_udp(lab.host, "::1", 5353).startswith("dns")


def test_a_flow_of_datagrams_follows_the_port(lab: Lab) -> None:
    """Conntrack would keep it with the container that is gone."""
    client = netns.inside(
        lab.neighbour, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    )
    client.settimeout(5)
    with client:
        for name in ("first", "second"):
            container = lab.container(name)
            lab.serve_udp(container.namespace, 53, name)
            with published(container, "5353:53/udp"):
                client.sendto(b"?", (HOST, 5353))
                assert client.recv(100).decode() == f"{name} 198.51.100.9"


def test_a_port_on_loopback_is_not_the_neighbours(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    lab.run(f"ip route add 127.0.0.1/32 via {HOST} table 7", lab.neighbour)
    with published(container, "127.0.0.1:8080:80"):
        assert ask(lab.host, "127.0.0.1", 8080).startswith("web")
        with pytest.raises(ConnectionRefusedError):
            ask(lab.neighbour, HOST, 8080)
        with pytest.raises(ConnectionRefusedError):
            ask(lab.host, HOST, 8080)


def test_one_address_of_the_host(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    with published(container, f"{HOST}:8080:80"):
        assert ask(lab.neighbour, HOST, 8080) == "web 198.51.100.9"
        with pytest.raises(ConnectionRefusedError):
            ask(lab.host, "127.0.0.1", 8080)


def test_a_closed_port_is_closed(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    with published(container, "8080:80") as opened:
        pass
    lab.on_host(opened.close)
    with pytest.raises(ConnectionRefusedError):
        ask(lab.neighbour, HOST, 8080)
    assert os.listdir(network_of(lab.state_dir).ports) == []
    assert "elements" not in lab.run("nft list ruleset")


def test_any_free_port(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    with published(container, "80", "80") as opened:
        ports = [mapping.host_port for mapping in opened.ports]
        assert len(set(ports)) == 2
        for port in ports:
            assert ask(lab.neighbour, HOST, port).startswith("web")


def test_a_port_out_of_a_range(lab: Lab) -> None:
    container = lab.container()
    with published(container, "8080-8082:80", "8080-8082:80") as opened:
        assert [mapping.host_port for mapping in opened.ports] == [8080, 8081]


def test_a_port_that_is_taken(lab: Lab) -> None:
    container = lab.container()
    server = [sys.executable, "-m", "http.server", "8080"]
    with process([*enter(lab.host), *server]) as other:
        ask_until_open(lab, 8080)
        ports = parse_port("8081:81") + parse_port("8080:80")
        with pytest.raises(NetworkError, match="8080 is already in use by") as caught:
            lab.on_host(lambda: publish(lab.state_dir, container.endpoint, ports))
        assert f"(pid {other.pid})" in caught.value.message
        assert "-p 8081:80" in caught.value.hint
    with published(container, "8080:80", "8081:81"):
        pass  # nothing was kept of the first attempt


def ask_until_open(lab: Lab, port: int) -> None:
    import time

    for _ in range(200):
        try:
            with netns.inside(
                lab.host, lambda: socket.create_connection(("127.0.0.1", port), 5)
            ):
                return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.mark.parametrize("first", ["8080:80", "127.0.0.1:8080:80"])
def test_two_containers_cannot_have_one_port(lab: Lab, first: str) -> None:
    one, two = lab.container("one"), lab.container("two")
    with published(one, first), pytest.raises(NetworkError, match="already in use"):
        lab.on_host(lambda: publish(lab.state_dir, two.endpoint, parse_port("8080:80")))


def test_a_container_that_has_a_port_is_named(lab: Lab) -> None:
    with published(lab.container("0123456789abcdef"), "8080:80"):
        user = lab.on_host(lambda: user_of("tcp", 8080, lab.state_dir))
        assert user == "container 0123456789ab"
        assert lab.on_host(lambda: user_of("tcp", 8081, lab.state_dir)) == ""


def test_an_address_that_is_not_the_hosts(lab: Lab) -> None:
    container = lab.container()
    with pytest.raises(NetworkError, match="Cannot publish on port") as caught:
        lab.on_host(
            lambda: publish(
                lab.state_dir, container.endpoint, parse_port("9.9.9.9:8080:80")
            )
        )
    assert "ip address" in caught.value.hint


def test_published_ports_survive_a_flush(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    with published(container, "8080:80"):
        lab.run("nft flush ruleset")
        # Until somebody repairs the rules, the port is served the slow way.
        assert ask(lab.neighbour, HOST, 8080) == f"web {container.endpoint.gateway}"
        lab.container("repairs")
        assert ask(lab.neighbour, HOST, 8080) == "web 198.51.100.9"


PUBLISHER = """
import json, sys
from lamina.runtime.network.network import connect, new_namespace, parse_port, publish
namespace = new_namespace()
endpoint = connect(sys.argv[1], namespace, "killed")
published = publish(sys.argv[1], endpoint, parse_port("8080:80"))
print(json.dumps(list(endpoint.__dict__.values())), flush=True)
sys.stdin.readline()
"""


def publisher(lab: Lab) -> list[str]:
    """A process that publishes 8080 and says where it leads."""
    return [*enter(lab.host), sys.executable, "-c", PUBLISHER, lab.state_dir]


def test_what_a_killed_process_published_is_collected(lab: Lab) -> None:
    with process(publisher(lab)) as killed:
        assert killed.stdout
        assert killed.stdout.readline()
        assert lab.on_host(lambda: collect(lab.state_dir)) == 0
    assert "tcp . 8080" in lab.run("nft list ruleset")
    assert lab.on_host(lambda: collect(lab.state_dir)) == 1
    assert "tcp . 8080" not in lab.run("nft list ruleset")


def test_who_cleans_up_after_a_killed_process_closes_its_ports(lab: Lab) -> None:
    with process(publisher(lab)) as killed:
        assert killed.stdout
        endpoint = Endpoint(*json.loads(killed.stdout.readline()))
    lab.on_host(lambda: disconnect(lab.state_dir, endpoint))
    assert "tcp . 8080" not in lab.run("nft list ruleset")
    assert os.listdir(network_of(lab.state_dir).leases) == [".last"]


def test_rules_that_are_flushed_at_the_wrong_moment(lab: Lab) -> None:
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    lab.run("nft flush ruleset")
    with published(container, "8080:80"):
        assert ask(lab.neighbour, HOST, 8080) == f"web {container.endpoint.gateway}"
        lab.container("repairs")
        assert ask(lab.neighbour, HOST, 8080) == "web 198.51.100.9"


def test_a_dead_ones_port_goes_to_the_next(lab: Lab) -> None:
    with process(publisher(lab)) as killed:
        assert killed.stdout
        assert killed.stdout.readline()
    container = lab.container()
    lab.serve(container.namespace, 80, "web")
    with published(container, "8080:80"):
        assert ask(lab.neighbour, HOST, 8080) == "web 198.51.100.9"
