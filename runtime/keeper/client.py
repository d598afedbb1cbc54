"""Clients: who watches a container, each over a line of its own and pipes.

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
    from lamina.runtime.keeper.inputs import Inputs
    from lamina.runtime.keeper.outputs import Outputs, Sink


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
        if master >= 0 and self.size is not None and any(self.size):
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


class Clients:
    """Those of one container. `own`: it ends when the one goes that owns it.

    Called are `told`, of an event for the journal, `signalled`, with what is the
    container's, `released` when it is to live on by itself, and `abandoned` when its
    owner has gone.
    """

    def __init__(self, outputs: Outputs, inputs: Inputs, own: bool) -> None:
        self.all: list[Client] = []
        self.own = own
        self.told: Callable[..., None] = lambda *_, **__: None
        self.signalled: Callable[[int], None] = lambda _: None
        self.released: Callable[[], None] = lambda: None
        self.abandoned: Callable[[], None] = lambda: None
        self._outputs = outputs
        self._inputs = inputs
        # The container's terminal, while there is one.
        self._master = -1
        # What the journal knows of it.
        self._size: tuple[int, int] | None = None

    def attach(self, client: Client, ends: dict[str, int], source: int) -> None:
        """A client watches from now on; `ends` and `source` are its pipes."""
        client.resized = lambda: self._resized(client)
        client.signalled = self._pass_on
        client.detached = lambda: self._let_go(client)
        client.sinks = self._outputs.attach(
            ends, lambda name: self._unread(client, name)
        )
        client.source = source
        if source >= 0:
            self._inputs.attach(source, client.listen)
        self.all.append(client)
        client.give_size(self._master)

    def gone(self, client: Client) -> None:
        """A client went, or let go of the container."""
        self.all.remove(client)
        self._outputs.detach(client.sinks)
        self._inputs.detach(client.source)
        client.close()
        if client.owns and self.own:
            self.abandoned()

    def tell(self, message: dict[str, Any]) -> None:
        for client in self.all:
            client.tell(message)

    def dismiss(self, message: dict[str, Any]) -> None:
        """Tell them how it ended; they get what is held for them."""
        self._outputs.finish()
        self.tell(message)

    def release(self) -> None:
        """Nobody owns the container any more."""
        if self.own:
            self.own = False
            self.released()

    def give_sizes(self, master: int) -> None:
        """The container's terminal is this one from now on, -1 is none."""
        self._master = master
        for client in self.all:
            client.give_size(master)

    def _unread(self, client: Client, name: str) -> None:
        """A client has closed a stream. The owner's reader was the one that counts,
        unless it has let go of the container just before."""
        client.listen()
        if client.owns and self.own:
            self._outputs.close(name)

    def _let_go(self, client: Client) -> None:
        self.told("detach")
        if client.owns:
            self.release()

    def _pass_on(self, number: int) -> None:
        """A signal that a client got, which is the container's."""
        self.told("kill", signal=str(number))
        self.signalled(number)

    def _resized(self, client: Client) -> None:
        """A client's terminal has another size, or a client has come with one."""
        client.give_size(self._master)
        if client.size is not None and any(client.size) and client.size != self._size:
            self._size = client.size
            height, width = map(str, client.size)
            self.told("resize", height=height, width=width)
