"""A session of watching: changes to rounds, and rounds to what is told of them."""

from __future__ import annotations

import os
import threading
import time
from queue import Empty, SimpleQueue

from lamina.builder.solving.cancellation import Cancelled
from lamina.builder.watch.changes import Changes
from lamina.builder.watch.contents import Contents
from lamina.builder.watch.rounds import Round, Rounds
from lamina.builder.watch.watcher import hears
from lamina.cli.watching.events import Begun, Ended
from lamina.cli.watching.stopwatch import Stopwatch
from lamina.cli.watching.watched import Watched
from lamina.cli.watching.work import Work
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.solving.cancellation import Cancellation
    from lamina.builder.watch.changes import Changed
    from lamina.cli.watching.events import Tell
    from lamina.cli.watching.wanted import Wanted
    from lamina.oci.store.store import Store
    from lamina.runtime.swap.foreground import Foreground

    _Happening = Changed | Ended | str | BaseException | None


# How long (s) a signal may go unnoticed.
_SIGNAL_PAUSE = 0.5


class Session:
    """One `lamina watch`; `run` until it is over."""

    def __init__(self, store: Store, wanted: Wanted, tell: Tell) -> None:
        self._store = store
        self._wanted = wanted
        self._tell = tell
        self._happened: SimpleQueue[_Happening] = SimpleQueue()
        self._contents = Contents()
        synced = tuple(rule.source for rule in wanted.syncing.rules)
        self._watched = Watched(store, wanted.files, synced, tell)
        self._number = 0

    def run(self) -> Ended:
        """Watch until something ends it: Ctrl-C, or the one round of `once`. Raises
        what is wrong with the flags or files that are there to begin with."""
        inputs = self._wanted.inputs()
        heard = self._wanted.once or hears(self._wanted.context)
        watched = self._watched
        with Changes(watched.wants, watched.limited, events=heard) as changes:
            watched.watch(changes, inputs)
            work = Work(
                self._store, self._wanted, self._tell, watched.wants, self._left
            )
            try:
                return self._watch(changes, work)
            finally:
                work.close()

    def _watch(self, changes: Changes, work: Work) -> Ended:
        waiting = threading.Thread(
            target=self._wait_for, args=(changes,), name="lamina-changes"
        )
        waiting.start()
        rounds = Rounds(lambda asked, until: self._round(changes, work, asked, until))
        pressed = self._wanted.pressed
        try:
            if pressed is not None:
                pressed.start(self._happened.put)
            rounds.ask(Round(everything=True, first=time.monotonic()))
            if work.program is not None:
                return self._beside(work.program, work, rounds)
            return self._serve(work, rounds)
        finally:
            if pressed is not None:
                pressed.stop()
            rounds.close()
            changes.close()
            waiting.join()

    def _beside(self, program: Foreground, work: Work, rounds: Rounds) -> Ended:
        """Serve in a thread; this one is the program's, which has our terminal."""
        results: list[Ended | BaseException] = []

        def serve() -> None:
            try:
                results.append(self._serve(work, rounds))
            except BaseException as error:
                results.append(error)
            program.close()

        thread = threading.Thread(target=serve, name="lamina-serve")
        thread.start()
        try:
            program.run()
        finally:
            self._happened.put(None)
            thread.join()
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0]

    def _wait_for(self, changes: Changes) -> None:
        for changed in changes:
            self._happened.put(changed)

    def _serve(self, work: Work, rounds: Rounds) -> Ended:
        while True:
            try:
                # A signal that comes just before this waits is seen after it.
                happened = self._happened.get(timeout=_SIGNAL_PAUSE)
            except Empty:
                work.tend()
                continue
            if isinstance(happened, BaseException):
                raise happened
            if happened is None:
                return Ended(self._number, "cancelled")
            if isinstance(happened, str):
                if not self._press(happened, work, rounds):
                    return Ended(self._number, "cancelled")
                continue
            if isinstance(happened, Ended):
                if self._is_last(happened, work):
                    return happened
                continue
            paths = self._contents.changed(happened.paths)
            if paths or happened.everything:
                rounds.ask(Round(paths, happened.everything, happened.first))

    def _press(self, key: str, work: Work, rounds: Rounds) -> bool:
        assert self._wanted.pressed is not None
        return self._wanted.pressed.carry_out(key, rounds.ask, work.serving)

    def _is_last(self, ended: Ended, work: Work) -> bool:
        if not self._wanted.once:
            return False
        # A program that is typed into has begun by then, and ends when it likes.
        return work.program is None or "swap" not in dict(ended.split)

    def _left(self, code: int) -> None:
        """A program that was typed into has ended."""
        if self._wanted.once:
            self._happened.put(Ended(self._number, "swapped", code=code))

    # A round, in the thread of rounds.

    def _round(
        self, changes: Changes, work: Work, asked: Round, cancellation: Cancellation
    ) -> Callable[[], None]:
        self._number += 1
        shown = tuple(sorted(map(self._shown, asked.paths)))
        self._tell(Begun(self._number, shown, asked.everything))
        watch = Stopwatch(asked.first)
        watch.lap("event")
        ended = Ended(self._number, "failed")
        try:
            ended = work.carry_out(self._number, asked, cancellation, watch)
        except Cancelled:
            ended = replace(ended, outcome="cancelled")
        except LaminaError as error:
            work.failed(error)
            ended = replace(ended, code=error.exit_code)
        except BaseException as error:
            self._happened.put(error)
        ended = replace(ended, split=watch.split())

        def over() -> None:
            self._tell(ended)
            if not cancellation.asked and not self._wanted.once:
                self._watched.follow(changes, self._wanted.inputs, asked)
                work.tidy(self._number)
            self._happened.put(ended)

        return over

    def _shown(self, path: str) -> str:
        relative = os.path.relpath(path, self._wanted.context)
        return path if relative.startswith("../..") else relative
