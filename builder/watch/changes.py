"""Changes: settled sets of the paths that were saved, one after the other."""

from __future__ import annotations

import os
import threading
import time

from lamina.builder.watch.settle import Batch
from lamina.builder.watch.temporary import is_lock
from lamina.builder.watch.watcher import Listener, Watcher
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.builder.watch.errors import WatchLimit
    from lamina.builder.watch.polling import Wanted
    from lamina.builder.watch.settle import Pauses
    from lamina.builder.watch.watcher import Area


@value
class Changed:
    """What a burst of saves touched; `everything`: events were lost, look at all.

    `first` is when the first of them was seen (time.monotonic).
    """

    paths: frozenset[str]
    everything: bool
    first: float


class Changes:
    """An iterator over Changed; `close` ends it. Times are time.monotonic.

    Without `events` the file system tells of none, and is looked at instead.
    """

    def __init__(
        self,
        wanted: Wanted,
        limited: Callable[[WatchLimit], None],
        pauses: Pauses | None = None,
        events: bool = True,
    ) -> None:
        self._condition = threading.Condition()
        self._batch = Batch(pauses)
        self._closed = False
        self._first = 0.0
        listener = Listener(self._changed, self._lost, limited)
        self._watcher = Watcher(listener, wanted, events=events)

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def watch(self, areas: Iterable[Area]) -> None:
        """Watch exactly these areas from now on."""
        self._watcher.watch(areas)

    def close(self) -> None:
        """Watch no longer; who waits for the next change gets StopIteration."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._watcher.close()

    def pending(self) -> bool:
        """Whether something changed that was not given out yet."""
        return bool(self._batch)

    def __iter__(self) -> Iterator[Changed]:
        while (changed := self.wait()) is not None:
            yield changed

    def wait(self, timeout: float | None = None) -> Changed | None:
        """The next settled set; None when closed, or when nothing came in time."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while not self._closed:
                now = time.monotonic()
                if self._batch and self._batch.due() <= now:
                    paths, everything = self._batch.take()
                    return Changed(paths, everything, self._first)
                until = self._batch.due() if self._batch else end
                if not self._batch and end is not None and end <= now:
                    return None
                self._condition.wait(None if until is None else max(until - now, 0))
        return None

    def _changed(self, path: str, to_be_written: bool) -> None:
        with self._condition:
            now = time.monotonic()
            if is_lock(path):
                self._batch.hold(os.path.lexists(path), now)
                self._condition.notify_all()
                return
            if not self._batch:
                self._first = now
            self._batch.add(path, now, to_be_written=to_be_written)
            self._condition.notify_all()

    def _lost(self) -> None:
        with self._condition:
            now = time.monotonic()
            if not self._batch:
                self._first = now
            self._batch.lose(now)
            self._condition.notify_all()
