"""Cancellation: a build that nobody needs any more, ended from another thread."""

from __future__ import annotations

import contextlib
import threading

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cancelled(LaminaError):
    """The work was cancelled: no failure of its own."""

    def __init__(self) -> None:
        super().__init__("This was cancelled.")


class Cancellation:
    """`cancel` once, from any thread; what listens then is told, or at once later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.asked = False

    def cancel(self) -> None:
        """Ask for the end."""
        with self._lock:
            self.asked = True
            listeners, self._listeners = self._listeners, []
        for tell in listeners:
            tell()

    def check(self) -> None:
        """Raises Cancelled when it was asked for."""
        if self.asked:
            raise Cancelled

    @contextlib.contextmanager
    def told(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have `tell` called if it is cancelled during the block, or was before."""
        with self._lock:
            late = self.asked
            if not late:
                self._listeners.append(tell)
        if late:
            tell()
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(tell)
