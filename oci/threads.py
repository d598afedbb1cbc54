"""Work on several threads, ended before anybody goes on."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Stopped(Exception):
    """For work that sees `stop` set: another thread has the error to be told."""


def side_by_side(
    work: Callable[[T], object],
    items: Iterable[T],
    jobs: int,
    stop: threading.Event,
) -> None:
    """Call `work` for each item on up to `jobs` threads; the first error is raised.

    `stop` is set on an error and on Ctrl-C, and every thread has ended on return.
    """
    crew = _Crew(work, items, stop)
    # Not Thread.join: an interrupted one takes the thread for ended (gh-89437).
    ends = [threading.Event() for _ in range(min(jobs, len(crew.waiting)))]
    try:
        for end in ends:
            threading.Thread(target=crew.serve, args=(end,), daemon=True).start()
        for end in ends:
            end.wait()
    finally:
        crew.dismiss()
    for error in crew.errors:
        if not isinstance(error, Stopped):
            raise error


class _Crew(Generic[T]):
    """What the threads share. One that comes after the end does not begin."""

    def __init__(
        self, work: Callable[[T], object], items: Iterable[T], stop: threading.Event
    ) -> None:
        self.waiting = deque(items)
        self.errors: list[BaseException] = []
        self._work = work
        self._stop = stop
        self._lock = threading.Lock()
        self._serving: list[threading.Event] = []

    def serve(self, end: threading.Event) -> None:
        """Work until nothing is left, then set `end`."""
        with self._lock:
            if self._stop.is_set():
                end.set()
                return
            self._serving.append(end)
        try:
            while not self._stop.is_set() and (item := _next(self.waiting)):
                self._work(item[0])
        except BaseException as error:
            self.errors.append(error)
            self._stop.set()
        finally:
            end.set()

    def dismiss(self) -> None:
        """Let no thread begin, and wait for those that have."""
        with self._lock:
            self._stop.set()
        for end in self._serving:
            end.wait()


def _next(waiting: deque[T]) -> tuple[T] | None:
    try:
        return (waiting.popleft(),)
    except IndexError:
        return None
