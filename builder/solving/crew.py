"""Crew: threads that can be waited for, whatever interrupts."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Crew:
    """Threads that can be waited for although Ctrl-C may come while one is started.

    Thread.start can be interrupted before it returns and after the thread began, so
    that nobody knows of it: here each signs on and off itself.
    """

    def __init__(self) -> None:
        self.size = 0
        self._at_work = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, serve: Callable[[], None]) -> None:
        self.size += 1
        threading.Thread(target=self._work, args=(serve,), name="lamina-step").start()

    def _work(self, serve: Callable[[], None]) -> None:
        with self._changed:
            if self._closed:
                return
            self._at_work += 1
        try:
            serve()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify()

    def wait(self) -> None:
        """Until all are done; who comes later does nothing."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._at_work)
