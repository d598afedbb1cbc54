"""Work on several threads, ended before anybody goes on."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, TypeVar

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
    waiting = deque(items)
    errors: list[BaseException] = []
    # Not Thread.join: an interrupted one takes the thread for ended (gh-89437).
    ends = [threading.Event() for _ in range(min(jobs, len(waiting)))]

    def serve(end: threading.Event) -> None:
        try:
            while not stop.is_set() and (item := _next(waiting)) is not None:
                work(item[0])
        except BaseException as error:
            errors.append(error)
            stop.set()
        finally:
            end.set()

    for end in ends:
        threading.Thread(target=serve, args=(end,), daemon=True).start()
    try:
        for end in ends:
            end.wait()
    finally:
        stop.set()
        for end in ends:
            end.wait()
    for error in errors:
        if not isinstance(error, Stopped):
            raise error


def _next(waiting: deque[T]) -> tuple[T] | None:
    try:
        return (waiting.popleft(),)
    except IndexError:
        return None
