"""A user's network, by a user: nobody, in namespaces of its own.

The probe runs as root of a user namespace, with a /dev/net/tun that it may open.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lamina.runtime.network import user_network

pytestmark = pytest.mark.root

HELPERS = ("/usr/bin/pasta", "/usr/bin/slirp4netns")

AS_A_USER = """
mount -t tmpfs tun /dev/net
mknod -m 666 /dev/net/tun c 10 200
exec setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urm "$@"
"""

# A container that answers on port 80 and 53, until its standard input ends.
PROBE = """
import json, os, select, socket, sys, threading
sys.dont_write_bytecode = True
from lamina.runtime.network import netns
from lamina.runtime.network.network import new_namespace
from lamina.runtime.network.ports import parse_port
from lamina.runtime.network.user_network import attach
def refusal(call):
    try:
        return call()
    except OSError:
        return "refused"
namespace = new_namespace()
ports = parse_port(sys.argv[2]) + parse_port(sys.argv[3])
network = attach(namespace, ports, sys.argv[1])
tcp = netns.inside(namespace, lambda: socket.create_server(("0.0.0.0", 80)))
udp = netns.inside(namespace, lambda: socket.socket(type=socket.SOCK_DGRAM))
udp.bind(("0.0.0.0", 53))
print(json.dumps({
    "address": network.endpoint.address,
    "gateway": network.endpoint.gateway,
    "interface": network.endpoint.interface,
    "ports": [mapping.host_port for mapping in network.ports],
    "helper": open(f"/proc/{network._helper._pid}/task/"
                   f"{network._helper._pid}/children").read().split()[0],
}), flush=True)
while True:
    ready = select.select([network, tcp, udp, sys.stdin], [], [])[0]
    if network in ready:
        network.serve()
    if tcp in ready:
        with tcp.accept()[0] as connection:
            connection.sendall(b"inside")
    if udp in ready:
        data, who = udp.recvfrom(100)
        udp.sendto(data * 2, who)
    if sys.stdin in ready:
        line = sys.stdin.readline()
        if not line:
            break
        print(netns.inside(namespace, lambda: eval(line)), flush=True)
network.close()
"""

Probe = tuple["subprocess.Popen[str]", dict[str, str | list[int]]]


def as_a_user(script: str, *arguments: str) -> list[str]:
    python = os.path.realpath(sys.executable)
    shell = ["unshare", "-m", "sh", "-ec", AS_A_USER, "sh"]
    return [*shell, python, "-c", script, *arguments]


@contextmanager
def probe(helper: str, tcp: str, udp: str) -> Iterator[Probe]:
    with subprocess.Popen(
        as_a_user(PROBE, helper, tcp, udp),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout
            yield started, json.loads(started.stdout.readline())
        finally:
            started.kill()


def ask(probe: Probe, expression: str) -> str:
    """What `expression` is inside the container."""
    process, _ = probe
    assert process.stdin
    assert process.stdout
    process.stdin.write(expression + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.parametrize("helper", HELPERS)
def test_a_users_container_is_reached_through_its_ports(helper: str) -> None:
    with probe(helper, "127.0.0.1::80", "127.0.0.1::53/udp") as container:
        tcp, udp = list(container[1]["ports"])
        assert isinstance(tcp, int)
        assert isinstance(udp, int)
        with socket.create_connection(("127.0.0.1", tcp), 5) as connection:
            assert connection.makefile().read() == "inside"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.sendto(b"twice", ("127.0.0.1", udp))
            assert client.recv(100) == b"twicetwice"
        assert container[1]["interface"] == "eth0"
        assert container[1]["address"]


@pytest.mark.parametrize("helper", HELPERS)
def test_the_hosts_loopback_is_not_the_containers(helper: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as private:
        port = private.getsockname()[1]
        with probe(helper, "127.0.0.1::80", "127.0.0.1::53/udp") as container:
            gateway = container[1]["gateway"]
            reach = f"socket.create_connection(({gateway!r}, {port}), 1)"
            assert ask(container, f"refusal(lambda: {reach})") == "refused"


@pytest.mark.network
@pytest.mark.parametrize("helper", HELPERS)
def test_names_resolve_for_a_user(helper: str) -> None:
    with probe(helper, "127.0.0.1::80", "127.0.0.1::53/udp") as container:
        found = ask(container, "socket.gethostbyname('deb.debian.org')")
        address = f"({found!r}, 80)"
        assert "socket.socket" in ask(
            container, f"socket.create_connection({address}, 20)"
        )


@pytest.mark.parametrize("helper", HELPERS)
def test_the_helper_ends_with_its_owner(helper: str) -> None:
    with probe(helper, "127.0.0.1::80", "127.0.0.1::53/udp") as container:
        pid = container[1]["helper"]
        assert os.path.exists(f"/proc/{pid}")
    # The owner was killed, so it closed nothing.
    for _ in range(200):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.02)
    raise AssertionError(f"{helper} is still there")


HANDED_OVER = """
import os, signal, sys, time
from lamina.runtime.network.network import new_namespace
from lamina.runtime.network.user_network import attach
network = attach(new_namespace(), (), sys.argv[1])
keeper = os.fork()
if keeper == 0:
    signal.pause()
pid = network._helper._pid
network.release()
os.kill(keeper, signal.SIGKILL)
os.waitpid(keeper, 0)
for _ in range(500):
    if not os.path.exists(f"/proc/{pid}"):
        sys.exit(0)
    time.sleep(0.02)
sys.exit(open(f"/proc/{pid}/status").read())
"""


@pytest.mark.parametrize("helper", HELPERS)
def test_who_handed_it_over_has_no_zombie_of_it(helper: str) -> None:
    subprocess.run(as_a_user(HANDED_OVER, helper), check=True, timeout=60)


@pytest.mark.parametrize("helper", HELPERS)
def test_a_port_that_is_taken_says_so(helper: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        script = PROBE.replace(
            "network = attach(namespace, ports, sys.argv[1])",
            "try: network = attach(namespace, ports, sys.argv[1])\n"
            "except Exception as error: sys.exit(f'{type(error).__name__}: {error}')",
        )
        done = subprocess.run(
            as_a_user(script, helper, f"127.0.0.1:{port}:80", "53/udp"),
            check=False,
            capture_output=True,
            text=True,
        )
        assert f"NetworkError: Port 127.0.0.1:{port} is already in use" in done.stderr


def test_what_the_helper_said_is_the_error() -> None:
    log = b"Failed to send 11 bytes to syslog\nNo routable interface\n\n"
    error = user_network._failed("pasta", log)
    assert (
        error.message == "pasta could not connect the container: No routable interface."
    )
