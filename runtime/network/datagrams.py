"""The slow way to a published UDP port: each client has a socket to the container."""

from __future__ import annotations

import _socket
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Forwarder(Protocol):
        """Who has the sockets watched, and knows where they lead."""

        def target_of(self, socket: _socket.socket) -> tuple[str, int]: ...

        def dial(self, kind: int, target: tuple[str, int]) -> _socket.socket: ...

        def watch(
            self, fd: int, events: int, handler: Callable[[int], None]
        ) -> None: ...


_Client = tuple[str | int, ...]  # a socket address

_CHUNK = 1 << 16
_MOST_CLIENTS = 400
_IDLE_CLIENT = 90.0  # seconds without a datagram, as docker-proxy has it


class Datagrams:
    """The clients of one UDP port: each gets a socket of its own to the target."""

    def __init__(self, forwarder: Forwarder, socket: _socket.socket) -> None:
        self._forwarder = forwarder
        self.socket = socket
        self._clients: dict[_Client, tuple[_socket.socket, float]] = {}

    def of(self, socket: _socket.socket) -> bool:
        """Whether they are this socket's clients."""
        return self.socket is socket

    def receive(self, _events: int) -> None:
        try:
            data, client = self.socket.recvfrom(_CHUNK)
        except OSError:
            return
        try:
            self._upstream(client).send(data)
        except OSError:
            return  # nobody listens there: a datagram may get lost

    def forget(self) -> None:
        """Let no client go on with the server that it had."""
        for client in tuple(self._clients):
            self._drop(client)

    def close(self) -> None:
        self.forget()
        self.socket.close()

    def _upstream(self, client: _Client) -> _socket.socket:
        """The client's socket; the client becomes the most recent one."""
        known = self._clients.pop(client, None)
        if known is None:
            self._expire()
            target = self._forwarder.target_of(self.socket)
            upstream = self._forwarder.dial(_socket.SOCK_DGRAM, target)
            self._forwarder.watch(
                upstream.fileno(),
                select.EPOLLIN,
                lambda _: self._answer(upstream, client),
            )
        else:
            upstream = known[0]
        self._clients[client] = (upstream, time.monotonic())
        return upstream

    def _answer(self, upstream: _socket.socket, client: _Client) -> None:
        try:
            self.socket.sendto(upstream.recv(_CHUNK), client)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)  # refused: it is not there, or no longer

    def _expire(self) -> None:
        """Drop who was silent for long, and who was silent longest."""
        now = time.monotonic()
        for client, (_, heard) in tuple(self._clients.items()):
            if now - heard < _IDLE_CLIENT and len(self._clients) < _MOST_CLIENTS:
                break  # they are in the order in which they were heard
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        upstream, _ = self._clients.pop(client)
        self._forwarder.watch(upstream.fileno(), 0, lambda _: None)
        upstream.close()
