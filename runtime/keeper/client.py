"""A client: who watches a container, over a line of its own and pipes.

On the line come messages both ways (isolation/wire.py):

    to us    {"resize": (rows, columns)}, {"signal": n}, {"detach": True}
    from us  {"started": {...}}, {"error": ...}, {"status": n}
"""

from __future__ import annotations

import _socket
import select

from lamina.runtime.isolation import terminal, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.isolation.loop import Loop
    from lamina.runtime.keeper.outputs import Sink


class Client:
    """`owns`: the container ends when this client goes without having detached.

    `gone` is called once, when it has gone or detached; `size` is its terminal's.
    `detached` is called before that when it lets the container live on.
    """

    def __init__(
        self,
        loop: Loop,
        line: _socket.socket,
        owns: bool,
        gone: Callable[[Client], None],
    ) -> None:
        self.line = line
        self.owns = owns
        self.sinks: dict[str, Sink] = {}
        self.source = -1
        self.size: tuple[int, int] | None = None
        self.resized: Callable[[], None] = lambda: None
        self.signalled: Callable[[int], None] = lambda _: None
        self.detached: Callable[[], None] = lambda: None
        self._loop = loop
        self._gone = gone
        loop.watch(line.fileno(), lambda _: self._heard())

    def listen(self) -> None:
        """Hear now what has been said already; it may be that it has gone."""
        while (fd := self.line.fileno()) >= 0:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(0):
                return
            self._heard()

    def tell(self, message: dict[str, Any]) -> None:
        wire.tell(self.line, message)

    def close(self) -> None:
        """Let go of the line; its pipes are others' affair."""
        if self.line.fileno() >= 0:
            self._loop.forget(self.line.fileno())
            self.line.close()

    def give_size(self, master: int) -> None:
        """Tell the container's terminal what the client's is like."""
        if self.size is not None and any(self.size):
            try:  # noqa: SIM105 (contextlib is an import)
                terminal.set_size(master, *self.size)
            except OSError:
                pass  # it is ending

    def _heard(self) -> None:
        try:
            data, _ = wire.receive(self.line)
        except OSError:
            data = b""
        message: dict[str, Any] = wire.load(data) if data else {}
        if "resize" in message:
            self.size = message["resize"]
            self.resized()
            return
        if "signal" in message:
            self.signalled(message["signal"])
            return
        if "detach" in message:
            self.detached()
        self._gone(self)
