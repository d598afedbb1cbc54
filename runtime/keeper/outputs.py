"""What a container writes: from its pipes or its terminal to a log and to clients.

A client that reads slowly makes the container wait, as a pipe would; it is given what
it has room for, and the loop never waits for anybody.
"""

from __future__ import annotations

import errno
import os

from lamina.runtime.isolation.loop import GONE, READABLE, WRITABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.isolation.loop import Handler, Loop
    from lamina.runtime.keeper.log import LogWriter

_CHUNK = 64 * 1024
# What is held for a client before the container has to wait.
_MOST_HELD = 256 * 1024


class Sink:
    """A client's end of one stream: a pipe that it reads.

    `changed` is called when it has taken something, `broken` when it has closed it.
    """

    def __init__(
        self,
        loop: Loop,
        fd: int,
        changed: Callable[[], None],
        broken: Callable[[], None],
    ) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.held = bytearray()
        self._loop = loop
        self._ending = False
        self._changed = changed
        self._broken = broken
        loop.watch(fd, self._ready, 0)

    @property
    def is_full(self) -> bool:
        return len(self.held) > _MOST_HELD

    def give(self, data: bytes) -> None:
        """Pass on what goes now, hold the rest."""
        if self.fd >= 0:
            self.held += data
            self._write()

    def end(self) -> None:
        """Close it once all was taken."""
        self._ending = True
        if self.fd >= 0:
            self._write()

    def drop(self) -> None:
        """Close it at once."""
        self.held.clear()
        if self.fd >= 0:
            self._loop.forget(self.fd)
            os.close(self.fd)
            self.fd = -1

    def _ready(self, events: int) -> None:
        if events & GONE:
            self._break()
        else:
            self._write()
        self._changed()

    def _break(self) -> None:
        self.drop()
        self._broken()

    def _write(self) -> None:
        try:
            while self.held:
                del self.held[: os.write(self.fd, self.held)]
        except BlockingIOError:
            self._loop.watch(self.fd, self._ready, WRITABLE)
            return
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            self._break()
            return
        if self._ending:
            self.drop()
        else:
            self._loop.watch(self.fd, self._ready, 0)


class Outputs:
    """The outputs of a container's runs, one after the other; `name`s are those of the
    streams, and a terminal's is stdout."""

    def __init__(self, loop: Loop, log: LogWriter | None) -> None:
        self._loop = loop
        self._log = log
        self._sources: dict[int, str] = {}
        self._sinks: list[dict[str, Sink]] = []
        # Of clients that get no more than what is held for them.
        self._ending: list[dict[str, Sink]] = []
        self._resting = False

    def open(self, sources: dict[int, str]) -> None:
        """Take our ends of what a run writes to, by their names."""
        self._sources = dict(sources)
        for fd in sources:
            os.set_blocking(fd, False)
        self._resting = True
        self._rest_or_read()

    def attach(
        self, ends: dict[str, int], broken: Callable[[str], None]
    ) -> dict[str, Sink]:
        """Give a client what comes from now on, on its pipes by the streams' names.

        `broken` is told of those that it closes.
        """

        def sink(name: str, fd: int) -> Sink:
            return Sink(self._loop, fd, self._rest_or_read, lambda: broken(name))

        made = {name: sink(name, fd) for name, fd in ends.items()}
        self._sinks.append(made)
        return made

    def detach(self, sinks: dict[str, Sink]) -> None:
        """Forget a client: what it has not taken is lost."""
        self._sinks = [known for known in self._sinks if known is not sinks]
        self._ending = [known for known in self._ending if known is not sinks]
        for sink in sinks.values():
            sink.drop()
        self._rest_or_read()

    def close(self, name: str) -> None:
        """Nobody wants that stream: who writes it gets SIGPIPE, as in a shell."""
        for fd, known in tuple(self._sources.items()):
            if known == name:
                self._close(fd)

    def drain(self) -> None:
        """The run is over: read what is left of it, and let go of our ends."""
        for fd in tuple(self._sources):
            while self._read(fd):
                pass
            self._close(fd)
        if self._log is not None:
            self._log.flush()

    def finish(self) -> None:
        """Clients get what is held for them, then an end: no more comes for them."""
        self._ending += self._sinks
        self._sinks = []
        for sinks in self._ending:
            for sink in sinks.values():
                sink.end()

    @property
    def is_flushed(self) -> bool:
        """Whether the clients that were to take the rest have done so."""
        return not any(sink.held for sinks in self._ending for sink in sinks.values())

    def _ready(self, fd: int) -> None:
        if not self._read(fd):
            self._close(fd)
        self._rest_or_read()

    def _read(self, fd: int) -> bool:
        """Move what is there; False when there is nothing, or no more."""
        try:
            data = os.read(fd, _CHUNK)
        except OSError as error:
            # A terminal whose other side is closed reads EIO.
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return False
        if data:
            name = self._sources[fd]
            if self._log is not None:
                self._log.write(name, data)
            for sinks in self._sinks:
                if name in sinks:
                    sinks[name].give(data)
        return bool(data)

    def _close(self, fd: int) -> None:
        del self._sources[fd]
        self._loop.forget(fd)
        os.close(fd)

    def _rest_or_read(self) -> None:
        """Let the container wait while a client has enough to read."""
        full = any(sink.is_full for sinks in self._sinks for sink in sinks.values())
        if full == self._resting:
            return
        self._resting = full
        for fd in self._sources:
            self._loop.watch(fd, self._handler(fd), 0 if full else READABLE)

    def _handler(self, fd: int) -> Handler:
        return lambda _: self._ready(fd)
