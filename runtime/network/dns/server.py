"""The resolver of one container, at 127.0.0.11 of its network namespace.

Names of containers are answered from their networks' leases (names.py); all other
questions go to the host's name servers, or those of `--dns`, by sockets of the host's
network: so those on the host's loopback are of use too. A container on nothing but
internal networks asks nobody outside.
"""

from __future__ import annotations

import _socket
import os

from lamina.runtime.network.dns import message
from lamina.runtime.network.dns.names import HOST, Names
from lamina.runtime.network.dns.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.network.dns.message import Question
    from lamina.runtime.network.dns.streams import Loop

ADDRESS, PORT = "127.0.0.11", 53
_LARGEST = 1 << 16
# How long a server may take before the next one is asked, in seconds.
_PATIENCE = 3.0
_MOST_WAITING = 256
_MOST_STREAMS = 64


class Resolver:
    """Answers on `sockets` (of datagrams, listening) until `close`.

    `servers` are addresses of name servers, at `port`; `leads_out`: whether they are
    asked.
    """

    def __init__(
        self,
        loop: Loop,
        sockets: tuple[_socket.socket, _socket.socket],
        names: Names,
        servers: tuple[str, ...],
        leads_out: bool,
        port: int = PORT,
    ) -> None:
        self.names = names
        self.servers = servers
        self.leads_out = leads_out
        self.loop = loop
        self.port = port
        self._datagrams, self._listener = sockets
        self._waiting: set[_Waiting] = set()
        self._streams: set[Stream] = set()
        for socket in sockets:
            socket.setblocking(False)
        loop.watch(self._datagrams.fileno(), lambda _: self._hear())
        loop.watch(self._listener.fileno(), lambda _: self._accept())

    def close(self) -> None:
        for waiting in tuple(self._waiting):
            waiting.close()
        for stream in tuple(self._streams):
            stream.close()
        for socket in (self._datagrams, self._listener):
            self.loop.forget(socket.fileno())
            socket.close()

    def answer(self, data: bytes, question: Question) -> bytes | None:
        """The answer to what can be answered here; None for what others have to."""
        name, kind = question.name, question.kind
        if kind == message.PTR:
            called = self.names.called(message.reversed_address(name))
            if not called:
                return None
            return message.answer(data, question, (message.encoded(called),), kind)
        found = self.names.find(name)
        if found is None and name == HOST:
            own = self.names.host()
            pairs = [(own, "")] if own else None
        else:
            pairs = [(one.address, one.address6) for one in found] if found else None
        if pairs is None:
            return None
        wanted = {message.A: 0, message.ANY: 0, message.AAAA: 1}.get(kind)
        texts = [] if wanted is None else [one[wanted] for one in pairs if one[wanted]]
        first = os.urandom(1)[0] % (len(texts) or 1)
        # A name without addresses of this kind is there all the same (RFC 4074).
        records = tuple(map(message.address, texts[first:] + texts[:first]))
        return message.answer(
            data, question, records, message.AAAA if wanted == 1 else message.A
        )

    def refusal(self, data: bytes, question: Question) -> bytes:
        """What is said when nobody can be asked, or nobody answers."""
        return message.answer(data, question, (), question.kind, message.SERVER_FAILURE)

    # Datagrams

    def _hear(self) -> None:
        for _ in range(32):
            try:
                data, client = self._datagrams.recvfrom(_LARGEST)
            except OSError:
                return
            question = message.parse(data)
            if question is None:
                continue
            said = self.answer(data, question)
            if said is not None:
                self.tell(message.shortened(said, question), client)
            elif not (self.leads_out and self.servers):
                self.tell(self.refusal(data, question), client)
            elif len(self._waiting) < _MOST_WAITING:
                waiting = _Waiting(self, data, question, client)
                self._waiting.add(waiting)
                waiting.ask_next()

    def tell(self, data: bytes, client: Any) -> None:
        try:
            self._datagrams.sendto(data, client)
        except OSError:
            return  # it has gone

    def done(self, waiting: _Waiting) -> None:
        self._waiting.discard(waiting)

    # Streams

    def _accept(self) -> None:
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        near = _socket.socket(fileno=fd)
        if len(self._streams) >= _MOST_STREAMS:
            near.close()
            return
        self._streams.add(Stream(self, near))

    def ended(self, stream: Stream) -> None:
        self._streams.discard(stream)


class _Waiting:
    """A question that was passed on: to one server after the other, until one answers.

    Each has a socket of its own, and so a port that nobody can guess.
    """

    def __init__(
        self, resolver: Resolver, data: bytes, question: Question, client: Any
    ) -> None:
        self._resolver = resolver
        self._data = data
        self._question = question
        self._client = client
        self._left = list(resolver.servers)
        self._socket: _socket.socket | None = None
        self._timer = 0

    def close(self) -> None:
        self._drop()
        self._resolver.done(self)

    def ask_next(self) -> None:
        """Ask the next server, or say that nobody answers."""
        self._drop()
        while self._left:
            server = self._left.pop(0)
            family = _socket.AF_INET6 if ":" in server else _socket.AF_INET
            kind = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
            try:
                socket = _socket.socket(family, kind)
            except OSError:
                break
            try:
                socket.connect((server, self._resolver.port))
                socket.send(self._data)
            except OSError:
                socket.close()
                continue
            self._socket = socket
            loop = self._resolver.loop
            loop.watch(socket.fileno(), lambda _: self._hear())
            self._timer = loop.after(_PATIENCE, self._late)
            return
        refusal = self._resolver.refusal(self._data, self._question)
        self._resolver.tell(refusal, self._client)
        self._resolver.done(self)

    def _late(self) -> None:
        self._timer = 0
        self.ask_next()

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            said = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            self.ask_next()  # nobody is there
            return
        if said[:2] == self._data[:2]:
            self._resolver.tell(said, self._client)
            self.close()

    def _drop(self) -> None:
        loop = self._resolver.loop
        if self._timer:
            loop.cancel(self._timer)
            self._timer = 0
        if self._socket is not None:
            loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None


def taken_over(loop: Loop, given: dict[str, Any], fds: list[int]) -> Resolver:
    """The resolver that another process has prepared, whose sockets are ours now."""
    datagrams, listener = (_socket.socket(fileno=fd) for fd in fds)
    names = Names(tuple(given["zones"]), given["links"], given["host"])
    servers, leads_out = tuple(given["servers"]), given["leads_out"]
    return Resolver(loop, (datagrams, listener), names, servers, leads_out)
