"""Questions that come by TCP (RFC 7766): one at a time on each connection."""

from __future__ import annotations

import _socket
import errno

from lamina.runtime.network.dns import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from lamina.runtime.network.dns.message import Question

    class Loop(Protocol):
        """What the process that serves this calls it by (isolation/loop.py)."""

        def watch(
            self, fd: int, handler: Callable[[int], None], events: int = 1
        ) -> None: ...
        def forget(self, fd: int) -> None: ...
        def after(self, seconds: float, call: Callable[[], None]) -> int: ...
        def cancel(self, number: int) -> None: ...

    class Resolver(Protocol):
        """Who is asked (server.py)."""

        loop: Loop
        servers: tuple[str, ...]
        leads_out: bool
        port: int

        def answer(self, data: bytes, question: Question) -> bytes | None: ...
        def refusal(self, data: bytes, question: Question) -> bytes: ...
        def ended(self, stream: Stream) -> None: ...


_READABLE, _WRITABLE = 1, 4
# How long a connection may be of no use, in seconds.
_PATIENCE = 10.0
_LARGEST = (1 << 16) + 1


class Stream:
    """A client's connection, and the one to a server while that is asked."""

    def __init__(self, resolver: Resolver, near: _socket.socket) -> None:
        self._resolver = resolver
        self._near = near
        self._far: _socket.socket | None = None
        self._asked = b""
        self._said = b""
        self._left: list[str] = []
        self._out = b""
        near.setblocking(False)
        resolver.loop.watch(near.fileno(), lambda _: self._hear())
        self._timer = resolver.loop.after(_PATIENCE, self._late)

    def close(self) -> None:
        """End both connections."""
        loop = self._resolver.loop
        if self._timer:
            loop.cancel(self._timer)
            self._timer = 0
        self._drop_far()
        loop.forget(self._near.fileno())
        self._near.close()
        self._resolver.ended(self)

    def _late(self) -> None:
        self._timer = 0
        self.close()

    def _hear(self) -> None:
        """More of the client's question, or its end."""
        try:
            more = self._near.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self._asked += more
        if not more or len(self._asked) > _LARGEST:
            self.close()
        elif self._far is None:
            self._next()

    def _next(self) -> None:
        """Answer the first question that has come whole, or pass it on."""
        data = _whole(self._asked)
        if data is None:
            return
        question = message.parse(data)
        if question is None:
            self.close()
            return
        said = self._resolver.answer(data, question)
        if said is not None:
            self._reply(said)
        else:
            servers = self._resolver.servers if self._resolver.leads_out else ()
            self._left = list(servers)
            self._ask_next(data, question)

    def _reply(self, said: bytes) -> None:
        """Answer the question in front, and go on with the one behind it."""
        self._asked = self._asked[2 + int.from_bytes(self._asked[:2], "big") :]
        packet = len(said).to_bytes(2, "big") + said
        try:
            sent = self._near.send(packet)
        except OSError:
            sent = 0
        if sent < len(packet):
            self.close()  # a client that reads nothing gets nothing
        else:
            self._next()

    def _ask_next(self, data: bytes, question: Question) -> None:
        self._drop_far()
        while self._left:
            server = self._left.pop(0)
            family = _socket.AF_INET6 if ":" in server else _socket.AF_INET
            kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
            far = _socket.socket(family, kind)
            try:
                code = far.connect_ex((server, self._resolver.port))
            except OSError:
                code = errno.EINVAL  # it is no address
            if code not in (0, errno.EINPROGRESS):
                far.close()
                continue
            self._far, self._said = far, b""
            self._out = len(data).to_bytes(2, "big") + data

            def ready(_: int) -> None:
                self._go_on(data, question)

            self._resolver.loop.watch(far.fileno(), ready, _READABLE | _WRITABLE)
            return
        self._reply(self._resolver.refusal(data, question))

    def _go_on(self, data: bytes, question: Question) -> None:
        """The server takes more of the question, or says more of the answer."""
        far = self._far
        assert far is not None
        try:
            if self._out:
                self._out = self._out[far.send(self._out) :]
                if not self._out:
                    handler = lambda _: self._go_on(data, question)  # noqa: E731
                    self._resolver.loop.forget(far.fileno())
                    self._resolver.loop.watch(far.fileno(), handler, _READABLE)
                return
            more = far.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self._said += more
        said = _whole(self._said)
        if said is not None:
            self._drop_far()
            self._reply(said)
        elif not more:
            self._ask_next(data, question)

    def _drop_far(self) -> None:
        if self._far is not None:
            self._resolver.loop.forget(self._far.fileno())
            self._far.close()
            self._far = None


def _whole(data: bytes) -> bytes | None:
    """The first message in a stream, once it is there."""
    if len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
        return None
    return data[2 : 2 + int.from_bytes(data[:2], "big")]
