"""A laboratory: a namespace that plays the host, with a neighbour in its LAN.

Nothing of the machine's own network is touched.

    neighbour 198.51.100.9 -- 198.51.100.1 host -- bridge -- containers
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

from lamina.runtime.network import netns, network
from lamina.runtime.network.network import Endpoint

T = TypeVar("T")

HOST = "198.51.100.1"
NEIGHBOUR = "198.51.100.9"
PATIENCE = 5.0


class Container:
    """A namespace on the network, without any process in it."""

    def __init__(self, lab: Lab, namespace: int, endpoint: Endpoint) -> None:
        self.lab = lab
        self.namespace = namespace
        self.endpoint = endpoint
        self.address = endpoint.address


class Lab:
    def __init__(self, state_dir: str) -> None:
        self.state_dir = state_dir
        self.host = netns.new_namespace()
        self.neighbour = netns.new_namespace()
        self._open = [self.host, self.neighbour]
        self._servers: list[socket.socket] = []
        far = f"/proc/{os.getpid()}/fd/{self.neighbour}"
        self.run(
            f"ip link add eth0 mtu 1400 type veth peer name lan0 netns {far}\n"
            f"ip addr add {HOST}/24 dev eth0; ip link set eth0 up\n"
            f"ip route add default via {NEIGHBOUR}\n"
        )
        self.run(
            f"ip link set lan0 up; ip addr add {NEIGHBOUR}/24 dev lan0\n",
            self.neighbour,
        )

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for namespace in self._open:
            os.close(namespace)

    def on_host(self, call: Callable[[], T]) -> T:
        return netns.inside(self.host, call)

    def run(self, script: str, namespace: int | None = None) -> str:
        """Run a shell script on the host (or elsewhere) with the machine's tools."""
        where = self.host if namespace is None else namespace
        done = subprocess.run(
            [*enter(where), "sh", "-ec", script],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def container(self, name: str = "c") -> Container:
        namespace = netns.new_namespace()
        self._open.append(namespace)
        endpoint = self.on_host(
            lambda: network.connect(self.state_dir, namespace, name)
        )
        return Container(self, namespace, endpoint)

    def serve(self, namespace: int, port: int, answer: str) -> None:
        """A TCP server on every address: `answer` and who asked, then the end."""

        def make() -> socket.socket:
            return socket.create_server(("0.0.0.0", port))

        server = netns.inside(namespace, make)
        self._servers.append(server)
        threading.Thread(target=_answer, args=(server, answer), daemon=True).start()

    def serve_udp(self, namespace: int, port: int, answer: str) -> None:
        server = netns.inside(
            namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        )
        server.bind(("0.0.0.0", port))
        self._servers.append(server)
        threading.Thread(
            target=_answer_datagrams, args=(server, answer), daemon=True
        ).start()


def enter(namespace: int) -> list[str]:
    """The beginning of a command that is to run in `namespace`."""
    return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{namespace}"]


def ask(namespace: int, address: str, port: int, patience: float = PATIENCE) -> str:
    """What the server at address:port says to somebody in `namespace`."""

    def call() -> str:
        with socket.create_connection((address, port), patience) as connection:
            return connection.makefile().read()

    return netns.inside(namespace, call)


def ask_udp(namespace: int, address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.inside(
        namespace, lambda: socket.socket(family, socket.SOCK_DGRAM)
    ) as client:
        client.settimeout(PATIENCE)
        client.sendto(b"?", (address, port))
        return client.recv(100).decode()


def _answer(server: socket.socket, answer: str) -> None:
    try:
        while True:
            connection, who = server.accept()
            with connection:
                connection.sendall(f"{answer} {who[0]}".encode())
    except OSError:
        return  # the laboratory was closed


def _answer_datagrams(server: socket.socket, answer: str) -> None:
    try:
        while True:
            _, who = server.recvfrom(100)
            server.sendto(f"{answer} {who[0]}".encode(), who)
    except OSError:
        return
