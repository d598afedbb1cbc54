"""Meter: tells how far something is that takes a while, and ends it with the build."""

from __future__ import annotations

import time

from lamina.builder.errors import Stopped
from lamina.builder.events import Transfer, silent
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Emit

# Seconds until the first word, since most things are over by then; and between words.
_QUIET = 0.3
_OFTEN = 0.1


@value
class Meters:
    """Who is told of what takes a while, and whether the build is over."""

    emit: Emit = silent
    cancelled: Callable[[], bool] = lambda: False

    def meter(self, what: str, total: int = 0) -> Meter:
        """A meter for one thing."""
        return Meter(what, self, total)


class Meter:
    """Bytes of one thing, `what`, that people read; `total` is 0 while nobody knows it.

    `add` raises Stopped once the build is `cancelled`.
    """

    def __init__(self, what: str, meters: Meters | None = None, total: int = 0) -> None:
        self._what = what
        self._meters = meters or Meters()
        self._total = total
        self._done = 0
        self._next = time.monotonic() + _QUIET
        self._told = False

    def add(self, count: int) -> None:
        """So many bytes more."""
        self.reach(self._done + count)

    def reach(self, done: int) -> None:
        """So many bytes in all."""
        if self._meters.cancelled():
            raise Stopped(f"{self._what} was stopped with the build.")
        self._done = done
        now = time.monotonic()
        if now >= self._next and done:
            self._next = now + _OFTEN
            self._told = True
            self._meters.emit(Transfer(self._what, done, self._total))

    def end(self) -> None:
        """All is there; nothing is told of what was quick."""
        if self._told:
            self._told = False
            self._meters.emit(Transfer(self._what, self._done, self._done))
