"""Rounds: one at a time, in a thread; a newer one cancels the one that goes on.

At most one waits: what comes meanwhile is added to it. Something that never stops
writing does not keep all rounds from ending: after some that were cancelled one is let
be.
"""

from __future__ import annotations

import threading

from lamina.builder.solving.cancellation import Cancellation
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# So many in a row are cancelled.
_MOST_CANCELLED = 8


@value
class Round:
    """Why something is to be done: the paths that changed, or `everything` may have.

    `first` is when that began (time.monotonic). `fresh`: without the cache; `rerun`:
    although nothing changed.
    """

    paths: frozenset[str] = frozenset()
    everything: bool = False
    first: float = 0.0
    fresh: bool = False
    rerun: bool = False

    def and_then(self, later: Round) -> Round:
        """Both at once."""
        return Round(
            self.paths | later.paths,
            self.everything or later.everything,
            min(self.first, later.first),
            self.fresh or later.fresh,
            self.rerun or later.rerun,
        )


class Rounds:
    """`work` is called with a round and what cancels it; its errors are its own.

    What it returns is called when the round is over: what is asked for from there on
    has nothing to do with that round, and waits.
    """

    def __init__(
        self, work: Callable[[Round, Cancellation], Callable[[], None]]
    ) -> None:
        self._work = work
        self._condition = threading.Condition()
        self._waiting: Round | None = None
        self._current: tuple[Round, Cancellation] | None = None
        self._closed = False
        self._cancelled = 0
        self._thread = threading.Thread(target=self._serve, name="lamina-rounds")
        self._thread.start()

    def ask(self, wanted: Round) -> None:
        """Have a round; one that goes on is cancelled, and done with this one."""
        with self._condition:
            if self._waiting is not None:
                wanted = self._waiting.and_then(wanted)
            current = self._current
            if current is not None and self._cancelled >= _MOST_CANCELLED:
                current = None
            if current is not None and not current[1].asked:
                wanted = replace(current[0].and_then(wanted), first=wanted.first)
            self._waiting = wanted
            self._condition.notify_all()
        if current is not None:
            current[1].cancel()

    def close(self) -> None:
        """Cancel what goes on, and wait for it."""
        with self._condition:
            self._closed = True
            current = self._current
            self._condition.notify_all()
        if current is not None:
            current[1].cancel()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                assert self._waiting is not None
                current = self._current = (self._waiting, Cancellation())
                self._waiting = None
            over = self._work(*current)
            with self._condition:
                self._current = None
                self._cancelled = self._cancelled + 1 if current[1].asked else 0
            over()
