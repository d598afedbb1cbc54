from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from lamina.runtime.network import netns
from lamina.runtime.network.forwarder import Forwarder
from lamina.runtime.network.ports import PortMapping
from lamina.runtime.network.published import Published, forward

PATIENCE = 10


@contextmanager
def running(opened: Published) -> Iterator[int]:
    """Serve in a thread; the host port."""
    stop, tell = os.pipe()

    def serve() -> None:
        poll = select.poll()
        poll.register(opened.fileno(), select.POLLIN)
        poll.register(stop, select.POLLIN)
        while all(fd != stop for fd, _ in poll.poll()):
            opened.serve()

    thread = threading.Thread(target=serve)
    thread.start()
    yield opened.ports[0].host_port
    os.close(tell)
    thread.join()
    os.close(stop)
    opened.close()


def to(server: socket.socket, protocol: str = "tcp") -> Published:
    mapping = PortMapping("127.0.0.1", 0, server.getsockname()[1], protocol)
    return forward((mapping,), "127.0.0.1")


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(PATIENCE)
        yield made


def test_much_data_both_ways_at_once(server: socket.socket) -> None:
    """More than every buffer on the way, to a side that reads only later."""
    data = os.urandom(1 << 20) * 8
    with running(to(server)) as port:
        client = dial(port)
        far, _ = server.accept()
        received: dict[str, bytes] = {}

        def work(name: str, end: socket.socket) -> None:
            sender = threading.Thread(target=_send, args=(end, data))
            sender.start()
            received[name] = _read(end)
            sender.join()

        threads = [
            threading.Thread(target=work, args=pair)
            for pair in (("client", client), ("server", far))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        far.close()
    assert received == {"client": data, "server": data}


def _send(end: socket.socket, data: bytes) -> None:
    end.sendall(data)
    end.shutdown(socket.SHUT_WR)


def _read(end: socket.socket) -> bytes:
    parts = []
    while part := end.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_one_side_may_end_before_the_other(server: socket.socket) -> None:
    with running(to(server)) as port, dial(port) as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        far, _ = server.accept()
        with far:
            assert _read(far) == b"question"
            far.sendall(b"answer")
        assert _read(client) == b"answer"


def test_when_nobody_listens_the_connection_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        opened = to(gone)
    with running(opened) as port, dial(port) as client, suppress(ConnectionResetError):
        assert client.recv(1) == b""


def test_a_reset_is_passed_on(server: socket.socket) -> None:
    with running(to(server)) as port, dial(port) as client:
        far, _ = server.accept()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_many_connections_come_and_go(server: socket.socket) -> None:
    def answer() -> None:
        for _ in range(1000):
            far, _ = server.accept()
            with far:
                far.sendall(b"x")

    answering = threading.Thread(target=answer)
    answering.start()
    before = len(os.listdir("/proc/self/fd"))
    opened = to(server)
    with running(opened) as port:
        for _ in range(10):
            clients = [dial(port) for _ in range(100)]
            for client in clients:
                with client:
                    assert _read(client) == b"x"
    answering.join()
    assert len(os.listdir("/proc/self/fd")) == before


def test_more_connections_than_it_takes_at_once_wait(server: socket.socket) -> None:
    """Those beyond its limit are in the kernel's queue until others end."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    forwarder = Forwarder(most=3)
    forwarder.add_stream(listener, server.getsockname())
    with running(Published((PortMapping("127.0.0.1", port, 0),), forwarder)):
        clients = [dial(port) for _ in range(10)]
        taken = [server.accept()[0] for _ in range(3)]
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
        server.settimeout(PATIENCE)
        for client in clients:
            far = taken.pop(0) if taken else server.accept()[0]
            with client:
                with far:
                    far.sendall(b"x")
                assert _read(client) == b"x"


def test_datagrams_go_back_to_who_asked() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        with running(to(server, "udp")) as port:
            clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab"]
            for number, client in enumerate(clients):
                client.settimeout(PATIENCE)
                client.sendto(bytes([number]), ("127.0.0.1", port))
            for _ in clients:
                data, who = server.recvfrom(10)
                server.sendto(data * 2, who)
            for number, client in enumerate(clients):
                with client:
                    assert client.recv(10) == bytes([number]) * 2


def test_datagrams_to_nobody_do_no_harm(server: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        opened = to(gone, "udp")
    with running(opened) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(20):
                client.sendto(b"x", ("127.0.0.1", port))
        target = opened.ports[0].container_port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
            back.settimeout(PATIENCE)
            back.bind(("127.0.0.1", target))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"now", ("127.0.0.1", port))
                while back.recv(10) != b"now":
                    pass


@pytest.mark.root
def test_it_dials_from_inside_a_namespace() -> None:
    namespace = netns.new_namespace()
    server = netns.inside(namespace, lambda: socket.create_server(("127.0.0.1", 80)))
    server.settimeout(PATIENCE)
    opened = forward((PortMapping("127.0.0.1", 0, 80),), "127.0.0.1", namespace)
    with server, running(opened) as port, dial(port) as client:
        far, _ = server.accept()
        with far:
            far.sendall(b"inside")
        assert _read(client) == b"inside"
    os.close(namespace)
