"""Meter: tells how far something is that takes a while, and ends it with the build."""

from __future__ import annotations

import threading
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
# Seconds between two words that nothing has come yet.
_PATIENTLY = 1.0


@value
class Meters:
    """Who is told of what takes a while, and whether the build is over."""

    emit: Emit = silent
    cancelled: Callable[[], bool] = lambda: False

    def meter(self, what: str, total: int = 0) -> Meter:
        """A meter for one thing."""
        return Meter(what, self, total)


class Waiting:
    """Tells again and again that `what` has not begun, from a thread, until `over`."""

    def __init__(self, what: str, emit: Emit) -> None:
        self.told = False
        self._what = what
        self._emit = emit
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._tell, name="lamina-waiting", daemon=True
        )
        self._thread.start()

    def over(self) -> None:
        """It has begun, or never will: no word comes after this."""
        if not self._over.is_set():
            self._over.set()
            self._thread.join()

    def _tell(self) -> None:
        pause = _QUIET
        while not self._over.wait(pause):
            self.told = True
            self._emit(Transfer(self._what, 0, 0, waits=True))
            pause = _PATIENTLY


class Meter:
    """Bytes of one thing, `what`, that people read; `total` is 0 while nobody knows it.

    `add` raises Stopped once the build is `cancelled`. In a `with` block the wait for
    the first byte is told too, and the end by itself unless something is raised.
    """

    def __init__(self, what: str, meters: Meters | None = None, total: int = 0) -> None:
        self._what = what
        self._meters = meters or Meters()
        self._total = total
        self._done = 0
        self._next = time.monotonic() + _QUIET
        self._told = False
        self._waiting: Waiting | None = None

    def __enter__(self) -> Meter:
        self._waiting = Waiting(self._what, self._meters.emit)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._begun()
        if kind is None:
            self.end()

    def expect(self, total: int) -> None:
        """So many bytes will it be."""
        self._total = total

    def add(self, count: int) -> None:
        """So many bytes more."""
        self.reach(self._done + count)

    def reach(self, done: int) -> None:
        """So many bytes in all."""
        if self._meters.cancelled():
            raise Stopped(f"{self._what} was stopped with the build.")
        if done:
            self._begun()
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

    def _begun(self) -> None:
        if self._waiting is not None:
            self._waiting.over()
            self._told |= self._waiting.told
            self._waiting = None
