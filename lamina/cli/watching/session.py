"""A session of watching: changes to rounds, and rounds to what is told of them."""

from __future__ import annotations

import gc
import os
import threading
import time
from queue import Empty, SimpleQueue

from lamina.builder.build import build
from lamina.builder.events import StepStarted
from lamina.builder.solving.cancellation import Cancelled
from lamina.builder.watch.changes import Changes
from lamina.builder.watch.contents import Contents
from lamina.builder.watch.results import Results
from lamina.builder.watch.rounds import Round, Rounds
from lamina.builder.watch.watcher import hears
from lamina.cli.watching.events import (
    Begun,
    Ended,
    Exited,
    Failed,
    Serves,
    Wrote,
)
from lamina.cli.watching.plain import error_lines
from lamina.cli.watching.runners import open_runner
from lamina.cli.watching.stopwatch import Stopwatch
from lamina.cli.watching.watched import Watched
from lamina.errors import LaminaError
from lamina.oci.reference import parse_reference
from lamina.runtime.swap.foreground import Foreground
from lamina.runtime.swap.overlay import error_page
from lamina.runtime.swap.serving import Serving
from lamina.runtime.swap.trial import TrialFailed, Trials
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Event as BuildEvent
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.cancellation import Cancellation
    from lamina.builder.watch.changes import Changed
    from lamina.cli.watching.events import Tell
    from lamina.cli.watching.runners import Runner
    from lamina.cli.watching.wanted import Wanted
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.runtime.swap.replica import Replica
    from lamina.runtime.swap.service import Service

    _Happening = Changed | Ended | str | BaseException | None


# How long (s) a signal may go unnoticed.
_SIGNAL_PAUSE = 0.5
# How many rounds there are between two times of tidying up.
_TIDY = 16


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
        self._results = Results(store)
        self._number = 0
        self._overlaid = False
        self._image = ""
        # What runs: the image, and as what.
        self._ran: tuple[Digest, Service] | None = None
        self._runner: Runner | None = None

    def run(self) -> Ended:
        """Watch until something ends it: Ctrl-C, or the one round of `once`. Raises
        what is wrong with the flags or files that are there to begin with."""
        inputs = self._wanted.inputs()
        heard = self._wanted.once or hears(self._wanted.context)
        told = (self._watched.wants, self._watched.limited)
        with Changes(*told, events=heard) as changes:
            self._watched.watch(changes, inputs)
            self._runner = open_runner(
                self._store,
                self._wanted,
                (self._wrote, self._exited, self._began),
                (self._left, self._not_started),
            )
            waiting = threading.Thread(
                target=self._wait_for, args=(changes,), name="lamina-changes"
            )
            waiting.start()
            rounds = Rounds(lambda asked, until: self._round(changes, asked, until))
            pressed = self._wanted.pressed
            try:
                if pressed is not None:
                    pressed.start(self._happened.put)
                rounds.ask(Round(everything=True, first=time.monotonic()))
                if isinstance(self._runner, Foreground):
                    return self._beside(self._runner, rounds)
                return self._serve(rounds)
            finally:
                if pressed is not None:
                    pressed.stop()
                rounds.close()
                changes.close()
                waiting.join()
                if self._runner is not None:
                    self._runner.close()

    def _beside(self, program: Foreground, rounds: Rounds) -> Ended:
        """Serve in a thread; this one is the program's, which has our terminal."""
        results: list[Ended | BaseException] = []

        def serve() -> None:
            try:
                results.append(self._serve(rounds))
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

    def _serve(self, rounds: Rounds) -> Ended:
        while True:
            try:
                # A signal that comes just before this waits is seen after it.
                happened = self._happened.get(timeout=_SIGNAL_PAUSE)
            except Empty:
                continue
            if isinstance(happened, BaseException):
                raise happened
            if happened is None:
                return Ended(self._number, "cancelled")
            if isinstance(happened, str):
                if not self._press(happened, rounds):
                    return Ended(self._number, "cancelled")
                continue
            if isinstance(happened, Ended):
                if self._is_last(happened):
                    return happened
                continue
            paths = self._contents.changed(happened.paths)
            if paths or happened.everything:
                rounds.ask(Round(paths, happened.everything, happened.first))

    def _press(self, key: str, rounds: Rounds) -> bool:
        assert self._wanted.pressed is not None
        serving = self._runner if isinstance(self._runner, Serving) else None
        return self._wanted.pressed.carry_out(key, rounds.ask, serving)

    def _is_last(self, ended: Ended) -> bool:
        if not self._wanted.once:
            return False
        # A program that is typed into has begun by then, and ends when it likes.
        begun = isinstance(self._runner, Foreground) and "swap" in dict(ended.split)
        return not begun

    # A round, in the thread of rounds.

    def _round(
        self, changes: Changes, asked: Round, cancellation: Cancellation
    ) -> None:
        self._number += 1
        shown = tuple(sorted(map(self._shown, asked.paths)))
        self._tell(Begun(self._number, shown, asked.everything))
        watch = Stopwatch(asked.first)
        watch.lap("event")
        ended = Ended(self._number, "failed")
        try:
            ended = self._carry_out(asked, cancellation, watch)
        except Cancelled:
            ended = replace(ended, outcome="cancelled")
        except LaminaError as error:
            self._tell(Failed(error, self._is_serving))
            self._overlay(error)
            ended = replace(ended, code=error.exit_code)
        except BaseException as error:
            self._happened.put(error)
        ended = replace(ended, split=watch.split())
        self._tell(ended)
        if not cancellation.asked and not self._wanted.once:
            self._watched.follow(changes, self._wanted.inputs, asked)
            self._tidy()
        self._happened.put(ended)

    def _carry_out(
        self, asked: Round, cancellation: Cancellation, watch: Stopwatch
    ) -> Ended:
        syncing, runner = self._wanted.syncing, self._runner
        if (
            isinstance(runner, Serving)
            and runner.alive
            and not (asked.everything or asked.fresh or asked.rerun)
            and syncing.takes(asked.paths)
        ):
            hooks = (cancellation.check, watch.lap)
            syncing.carry_out(self._store, runner, asked.paths, self._tell, hooks)
            self._overlay(None)
            return Ended(self._number, "synced", self._image)
        inputs = self._wanted.inputs()
        if asked.fresh or self._wanted.pressed is not None:
            explain = self._wanted.pressed is not None
            inputs = replace(inputs, no_cache=asked.fresh, explain=explain)
        image = self._built(inputs, cancellation, watch)
        if image != self._image:
            for tag in self._wanted.tags:
                self._store.tag(parse_reference(tag), image)
        outcome = "built" if image != self._image else "unchanged"
        service = self._wanted.service
        if runner is None or service is None:
            self._image = image
            return Ended(self._number, outcome, image)
        wanted = image, service()
        if isinstance(runner, Serving) and not runner.alive:
            self._ran = None
        if wanted == self._ran and not asked.rerun:
            self._overlay(None)
            return Ended(self._number, "unchanged", image)
        self._image = image
        try:
            runner.swap(wanted[1], image, cancellation.check, watch.lap)
        except TrialFailed:
            # It would fail again: something else has to be saved.
            self._ran = wanted
            raise
        self._ran = wanted
        if isinstance(runner, Serving) and runner.current is not None:
            container = runner.current.container
            ports = tuple(map(str, runner.ports))
            name = wanted[1].name or container.name
            self._tell(Serves(container.id, name, ports))
        outcome = "passed" if isinstance(runner, Trials) else "swapped"
        return Ended(self._number, outcome, image)

    @property
    def _is_serving(self) -> bool:
        return self._runner is not None and self._runner.alive

    def _left(self, container: Container, code: int) -> None:
        self._tell(Exited(container.id, code))
        self._ran = None
        if self._wanted.once:
            self._happened.put(Ended(self._number, "swapped", code=code))

    def _not_started(self, error: LaminaError) -> None:
        self._tell(Failed(error, serving=False))
        self._ran = None

    def _wrote(self, _: Replica, stream: str, data: bytes) -> None:
        self._tell(Wrote(stream, data))

    def _began(self, replica: Replica) -> None:
        self._wanted.syncing.fill(self._store, replica, self._watched.wants)

    def _exited(self, replica: Replica, code: int) -> None:
        # How a trial ends is its round's outcome.
        if isinstance(self._runner, Serving):
            self._tell(Exited(replica.container.id, code))
            # The same image is started again when something is saved.
            self._ran = None

    def _overlay(self, error: LaminaError | None) -> None:
        """Show an error on the port, where that is wanted; None: no longer."""
        runner = self._runner
        if not self._wanted.overlay or not isinstance(runner, Serving):
            return
        if error is not None:
            text = "\n".join(error_lines(Failed(error, runner.alive)))
            runner.overlay(error_page(error.message, text))
            self._overlaid = True
        elif self._overlaid:
            runner.show()
            self._overlaid = False

    def _built(
        self, inputs: BuildInputs, cancellation: Cancellation, watch: Stopwatch
    ) -> Digest:
        """The image's ID; what is before the first step that runs is `hash`."""
        begun: list[float] = []

        def tell(event: BuildEvent) -> None:
            if isinstance(event, StepStarted) and not begun:
                begun.append(time.monotonic())
            self._results.hear(event)
            self._tell(event)

        # Most saves feed a COPY: it is left to the first RUN to boot what it needs.
        ahead = self._number == 1
        made = build(self._store, inputs, tell, None, cancellation, ahead)
        watch.lap("hash", *begun)
        if begun:
            watch.lap("layer")
        self._results.add(made[-1].id)
        return made[-1].id

    def _tidy(self) -> None:
        """While nothing is to be done: it takes a few ms now and then."""
        if self._number % _TIDY == 0:
            self._results.trim()
            # The collector of a command that ends soon rests (cli/main.py).
            gc.collect()

    def _shown(self, path: str) -> str:
        relative = os.path.relpath(path, self._wanted.context)
        return path if relative.startswith("../..") else relative
