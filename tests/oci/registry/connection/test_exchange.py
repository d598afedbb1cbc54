"""oci.registry.connection.exchange: whatever a request waits for, a Stop ends it."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.registry.connection.request import Body, Proxies, Request, Tls
from lamina.oci.registry.connection.transport import Transport
from lamina.oci.threads import Stop, Stopped
from tests.registries import Authority

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


class Silent:
    """Takes a connection, says `words` and nothing more; `reached` once it has."""

    def __init__(self, words: bytes = b"", tls: ssl.SSLContext | None = None) -> None:
        self._words = words
        self._tls = tls
        self._over = threading.Event()
        self.reached = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Silent:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._listening.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            inner = connection
            if self._tls is not None:
                inner = self._tls.wrap_socket(connection, server_side=True)
            with inner:
                inner.recv(100)
                if self._words:
                    inner.sendall(self._words)
                self.reached.set()
                self._over.wait()


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(Proxies())
    yield made
    made.close()


def stopping(silent: Silent, stop: Stop) -> None:
    """Set `stop` once the server has said all that it will."""

    def then() -> None:
        silent.reached.wait()
        stop.set()

    threading.Thread(target=then, daemon=True).start()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_an_answer_that_does_not_come(transport: Transport) -> None:
    stop = Stop()
    with Silent() as silent:
        before = descriptors()
        stopping(silent, stop)
        with pytest.raises(Stopped):
            transport.send(Request("GET", f"http://{silent.address}/"), Tls(), stop)
    assert descriptors() <= before


def test_half_an_answer(transport: Transport) -> None:
    stop = Stop()
    with Silent(HEAD + b"half") as silent:
        request = Request("GET", f"http://{silent.address}/")
        answer = transport.send(request, Tls(), stop)
        stopping(silent, stop)
        with pytest.raises(Stopped):
            while answer.read(1000):
                pass
        answer.close()


def test_an_answer_by_tls(transport: Transport, tmp_path: Path) -> None:
    authority, stop = Authority(tmp_path), Stop()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.certificate, authority.key)
    with Silent(HEAD + b"half", tls) as silent:
        request = Request("GET", f"https://{silent.address}/")
        answer = transport.send(request, Tls((str(authority.ca),)), stop)
        stopping(silent, stop)
        with pytest.raises(Stopped):
            while answer.read(1000):
                pass
        answer.close()


def test_a_connection_that_is_not_taken(transport: Transport) -> None:
    """Its queue is full, so that the kernel asks again and again, for minutes."""
    stop = Stop()
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        timer = threading.Timer(0.3, stop.set)
        timer.start()
        port = listening.getsockname()[1]
        with pytest.raises(Stopped):
            transport.send(Request("GET", f"http://127.0.0.1:{port}/"), Tls(), stop)
        timer.join()


def test_a_body_that_nobody_takes(transport: Transport) -> None:
    stop, size = Stop(), 1 << 28
    with Silent() as silent:
        body = Body(lambda: io.BytesIO(bytes(size)), size)
        request = Request("PUT", f"http://{silent.address}/", body=body)
        stopping(silent, stop)
        with pytest.raises(Stopped):
            transport.send(request, Tls(), stop)


def test_what_comes_after_the_end(transport: Transport) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        transport.send(Request("GET", "http://127.0.0.1:1/"), Tls(), stop)


def test_another_stop_ends_nothing_here(transport: Transport) -> None:
    stop = Stop()
    with Silent(HEAD + bytes(1000)) as silent:
        request = Request("GET", f"http://{silent.address}/")
        answer = transport.send(request, Tls(), Stop())
        stop.set()
        assert answer.read(1000)
        answer.close()
