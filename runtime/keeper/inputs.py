"""What a container reads: from its clients, as fast as it takes it."""

from __future__ import annotations

import errno
import os

from lamina.runtime.isolation.loop import GONE, WRITABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.isolation.loop import Loop

_CHUNK = 64 * 1024


class Inputs:
    """The inputs of clients, joined to the one of a container.

    What it has no room for waits here, and no more is read meanwhile. `once`: its
    input ends with that of a client.
    """

    def __init__(self, loop: Loop, once: bool) -> None:
        self._loop = loop
        self._once = once
        self._target = -1
        # What to do before an end of it is believed.
        self._sources: dict[int, Callable[[], None]] = {}
        self._pending = b""
        # No more comes behind what is pending.
        self._ending = False

    def open(self, target: int) -> None:
        """Take our end of a run's input: a pipe, or a terminal."""
        self._target = target
        os.set_blocking(target, False)
        self._write()

    def attach(self, source: int, ends: Callable[[], None] = lambda: None) -> None:
        """Read from a client's pipe.

        `ends` is called before the end of it counts as one: a client that has let go
        of the container closed it, too, and may `detach` it then.
        """
        os.set_blocking(source, False)
        self._sources[source] = ends
        if not self._pending:
            self._listen(source)

    def detach(self, source: int) -> None:
        """A client goes; the container's input stays open."""
        if source in self._sources:
            self._drop(source)

    def close(self) -> None:
        """The run is over, or reads no more: what clients send is lost."""
        self._pending = b""
        if self._target >= 0:
            self._loop.forget(self._target)
            os.close(self._target)
            self._target = -1
        for source in self._sources:
            self._listen(source)

    def _listen(self, source: int) -> None:
        self._loop.watch(source, lambda _: self._read(source))

    def _drop(self, source: int) -> None:
        del self._sources[source]
        self._loop.forget(source)
        os.close(source)

    def _read(self, source: int) -> None:
        try:
            data = os.read(source, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._sources[source]()
            if source not in self._sources:
                return
            self._drop(source)
            self._ending |= self._once
        self._pending += data
        self._write()

    def _write(self) -> None:
        """Pass on what goes; the rest of it, and the end, when there is room."""
        if self._target < 0:
            self._pending = b""
            return
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._target, self._pending) :]
        except BlockingIOError:
            for source in self._sources:
                self._loop.forget(source)
            self._loop.watch(self._target, self._ready, WRITABLE)
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            self.close()
            return
        if self._ending:
            self.close()
            return
        self._loop.watch(self._target, self._ready, 0)
        for source in self._sources:
            self._listen(source)

    def _ready(self, events: int) -> None:
        if events & GONE:
            self.close()  # the container closed its end
        else:
            self._write()
