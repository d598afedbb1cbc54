"""Work on several threads, ended before anybody goes on."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Stopped(Exception):
    """For work that sees its `Stop` set: another thread has the error to be told."""


class Stop:
    """Set once, for all who work on one thing: who works sees it, who waits is woken.

    A wait that a thread cannot be woken from by itself, such as that for a socket, is
    ended by a function that is called when the stop is set.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._ends: set[Callable[[], object]] = set()

    def set(self) -> None:
        """Stop everything."""
        with self._lock:
            self._event.set()
            ends, self._ends = self._ends, set()
        for end in ends:
            end()

    def is_set(self) -> bool:
        """Whether it is time to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Stopped when it is time to end."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, no longer than until it is time to end; whether it is."""
        return self._event.wait(seconds)

    def add(self, end: Callable[[], object]) -> None:
        """Have `end` called when the stop is set; Stopped when it is already."""
        with self._lock:
            self.check()
            self._ends.add(end)

    def discard(self, end: Callable[[], object]) -> None:
        """What `end` would have ended is over."""
        with self._lock:
            self._ends.discard(end)


# For work that only its own thread stops.
NEVER = Stop()


def side_by_side(
    work: Callable[[T], object],
    items: Iterable[T],
    jobs: int,
    stop: Stop | None = None,
) -> None:
    """Call `work` for each item on up to `jobs` threads; the first error is raised.

    `stop` is set on an error and on Ctrl-C, and every thread has ended on return.
    """
    crew = _Crew(work, items, stop or Stop())
    # Not Thread.join: an interrupted one takes the thread for ended (gh-89437).
    ends = [threading.Event() for _ in range(min(jobs, len(crew.waiting)))]
    try:
        for end in ends:
            threading.Thread(target=crew.serve, args=(end,), daemon=True).start()
        for end in ends:
            end.wait()
    except BaseException:
        crew.dismiss()
        raise
    for error in crew.errors:
        if not isinstance(error, Stopped):
            raise error
    # Somebody else has set `stop`, and not all is done.
    if crew.errors or crew.waiting:
        raise Stopped


class _Crew(Generic[T]):
    """What the threads share. One that comes after the end does not begin."""

    def __init__(
        self, work: Callable[[T], object], items: Iterable[T], stop: Stop
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
