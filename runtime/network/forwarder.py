"""The slow way to a published port: connections accepted here, and passed on.

The kernel leads IPv4 to the container by itself (firewall.py). This serves what it
cannot: [::1] and other IPv6 addresses, hosts without nftables, user namespaces.
One epoll for everything, so that a keeper can watch one descriptor:

    forwarder.fileno()   readable when there is something to do
    forwarder.serve()    does it, without blocking
"""

from __future__ import annotations

import _socket
import errno
import os
import select

from lamina.runtime.network import netns
from lamina.runtime.network.datagrams import Datagrams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Inside = Callable[[int, Callable[[], _socket.socket]], _socket.socket]

_Target = tuple[str, int]

_CHUNK = 1 << 16
_BUFFER = 1 << 18  # what is held for a side that reads slowly
_MOST_STREAMS = 400  # two descriptors each; 1024 is a usual limit
_GONE = select.EPOLLHUP | select.EPOLLERR


class Forwarder:
    """Passes on what arrives at listening sockets, which it owns."""

    def __init__(
        self,
        namespace: int | None = None,
        most: int = _MOST_STREAMS,
        inside: Inside = netns.inside,
    ) -> None:
        """Dial from the network namespace `namespace`, or from here.

        Beyond `most` connections at once, new ones wait in the kernel's queue. `inside`
        makes a socket in a namespace.
        """
        self._inside = inside
        self._namespace = -1 if namespace is None else os.dup(namespace)
        self._most = 2 * most
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._acceptors: dict[int, _socket.socket] = {}
        self._streams: set[_Side] = set()
        self._datagrams: list[Datagrams] = []
        self._targets: dict[int, tuple[bool, _Target]] = {}
        self._resting = False
        self._held: set[int] = set()
        self._receive: Callable[[_socket.socket, _Target], None] | None = None

    def fileno(self) -> int:
        return self._epoll.fileno()

    def add_stream(self, listener: _socket.socket, target: _Target) -> None:
        """Pass the connections that `listener` gets on to `target`."""
        listener.setblocking(False)
        fd = listener.fileno()
        self._acceptors[fd] = listener
        self._targets[fd] = True, target
        self.watch(fd, select.EPOLLIN, lambda _: self._accept(listener))
        self._listen(not self._resting and len(self._streams) < self._most)

    def add_datagram(self, socket: _socket.socket, target: _Target) -> None:
        """Pass the datagrams that `socket` gets on to `target`, and the answers."""
        socket.setblocking(False)
        clients = Datagrams(self, socket)
        self._datagrams.append(clients)
        self._targets[socket.fileno()] = False, target
        self.watch(socket.fileno(), select.EPOLLIN, clients.receive)

    def remove(self, socket: _socket.socket) -> None:
        """Close a socket that was added; what it led on already stays as it is."""
        fd = socket.fileno()
        self.watch(fd, 0, lambda _: None)
        del self._targets[fd]
        self._held.discard(fd)
        if self._acceptors.pop(fd, None) is None:
            (clients,) = (one for one in self._datagrams if one.of(socket))
            self._datagrams.remove(clients)
            clients.close()
        socket.close()

    @property
    def is_inside(self) -> bool:
        """Whether it dials from another network namespace."""
        return self._namespace >= 0

    def serving(self) -> tuple[tuple[int, bool, _Target], ...]:
        """The sockets that are served: descriptor, whether of streams, target."""
        return tuple((fd, stream, to) for fd, (stream, to) in self._targets.items())

    def socket(self, fd: int) -> _socket.socket:
        """The socket of one of those descriptors."""
        found = self._acceptors.get(fd)
        if found is not None:
            return found
        return next(one.socket for one in self._datagrams if one.socket.fileno() == fd)

    def redirect(self, address: str, namespace: int | None = None) -> None:
        """Pass what arrives from now on to `address`, dialled from `namespace`, and to
        the same ports there. The connections that there are stay as they are."""
        if self._namespace >= 0:
            os.close(self._namespace)
        self._namespace = -1 if namespace is None else os.dup(namespace)
        for fd, (stream, (_, port)) in self._targets.items():
            self._targets[fd] = stream, (address, port)
        for clients in self._datagrams:
            clients.forget()

    def rest(self, resting: bool) -> None:
        """Leave new connections in the kernel's queue, or take them again."""
        self._resting = resting
        if len(self._streams) < self._most:
            self._listen(not resting)

    def hold_back(self, fds: tuple[int, ...], held: bool) -> None:
        """Leave what arrives at these sockets to others who have them, or take it."""
        if held:
            self._held.update(fds)
        else:
            self._held.difference_update(fds)
        self._listen(not self._resting and len(self._streams) < self._most)
        for fd, (stream, _) in self._targets.items():
            if not stream:
                self._epoll.modify(fd, 0 if fd in self._held else select.EPOLLIN)

    def serve(self) -> None:
        """Do what can be done now."""
        for fd, events in self._epoll.poll(0):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(events)

    def close(self) -> None:
        """Close the listening sockets and every connection."""
        for side in tuple(self._streams):
            side.close()
        for clients in self._datagrams:
            clients.close()
        for listener in self._acceptors.values():
            listener.close()
        self._handlers.clear()
        self._acceptors.clear()
        self._epoll.close()
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1

    def dial(self, kind: int, target: _Target, protocol: int = 0) -> _socket.socket:
        """A socket that is being connected to `target`; raises OSError."""

        def make() -> _socket.socket:
            flags = kind | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
            return _socket.socket(_socket.AF_INET, flags, protocol)

        inside = self._namespace >= 0
        socket = self._inside(self._namespace, make) if inside else make()
        code = socket.connect_ex(target)
        if code not in (0, errno.EINPROGRESS):
            socket.close()
            raise OSError(code, "connect")
        return socket

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Have `handler` called for `events`; none at all: not even for hang-ups."""
        known = fd in self._handlers
        if events and known:
            self._epoll.modify(fd, events)
        elif events:
            self._epoll.register(fd, events)
            self._handlers[fd] = handler
        elif known:
            self._epoll.unregister(fd)
            del self._handlers[fd]

    def target_of(self, socket: _socket.socket) -> _Target:
        """Where what arrives at a socket is passed on to."""
        return self._targets[socket.fileno()][1]

    def _accept(self, listener: _socket.socket) -> None:
        target = self.target_of(listener)
        try:
            fd, _ = listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return  # taken back by the client, or out of descriptors: the next try
        near = _socket.socket(listener.family, listener.type, listener.proto, fd)
        near.setblocking(False)
        if self._receive is not None:
            self._receive(near, target)
        else:
            self.pass_on(near, target)

    def receive(
        self, receive: Callable[[_socket.socket, _Target], None] | None
    ) -> None:
        """Have connections looked at by `receive`, which may `pass_on` each; None: by
        nobody."""
        self._receive = receive

    def pass_on(self, near: _socket.socket, target: _Target, said: bytes = b"") -> None:
        """Lead an accepted connection to `target`; `said` is what was read of it."""
        try:
            far = self.dial(_socket.SOCK_STREAM, target, near.proto)
        except OSError:
            near.close()
            return
        client, server = _Side(self, near, True), _Side(self, far, False)
        client.peer, server.peer = server, client
        server.hold(said)
        for side in (client, server):
            self._streams.add(side)
            side.watch()
        if len(self._streams) >= self._most:
            self._listen(False)

    def _listen(self, on: bool) -> None:
        """Take new connections, or leave them in the kernel's queue."""
        for fd in self._acceptors:
            taken = on and fd not in self._held
            self._epoll.modify(fd, select.EPOLLIN if taken else 0)

    def _ended(self, side: _Side) -> None:
        if len(self._streams) == self._most:
            self._listen(not self._resting)
        self._streams.discard(side)


class _Side:
    """One end of a connection that is passed on; it reads for its peer."""

    def __init__(
        self, forwarder: Forwarder, socket: _socket.socket, connected: bool
    ) -> None:
        self.peer = self
        self._forwarder = forwarder
        self._socket = socket
        self._connected = connected
        self._out = bytearray()  # to be sent to this side
        self._ended = False  # this side sends no more
        self._finished = False  # this side was told that no more comes

    def watch(self) -> None:
        """Ask for the events that this side can use now."""
        if self._socket.fileno() < 0:
            return
        events = 0
        if self._connected and not self._ended and len(self.peer._out) < _BUFFER:
            events |= select.EPOLLIN
        if self._out or not self._connected:
            events |= select.EPOLLOUT
        self._forwarder.watch(self._socket.fileno(), events, self._handle)

    def hold(self, data: bytes) -> None:
        """Send this first, once it is connected."""
        self._out += data

    def close(self) -> None:
        """Close both sides."""
        for side in (self, self.peer):
            if side._socket.fileno() >= 0:
                side._forwarder.watch(side._socket.fileno(), 0, side._handle)
                side._socket.close()
                side._forwarder._ended(side)

    def _handle(self, events: int) -> None:
        try:
            if not self._connected:
                self._connect()
            if events & (select.EPOLLIN | _GONE) and not self._ended:
                self._read()
            self._write()
            self.peer._write()
        except OSError:
            self.close()
            return
        if self._finished and self.peer._finished:
            self.close()
            return
        self.watch()
        self.peer.watch()

    def _connect(self) -> None:
        code = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        self._connected = True

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        self.peer._out += data
        self._ended = not data

    def _write(self) -> None:
        """Send what waits; after the last of it, say that it was the last."""
        if not self._connected:
            return
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except BlockingIOError:
                return
            del self._out[:sent]
        if self.peer._ended and not self._finished:
            self._finished = True
            self._socket.shutdown(_socket.SHUT_WR)
