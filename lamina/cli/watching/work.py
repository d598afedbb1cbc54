"""The work of a round: what was saved is written into the container that serves, or an
image is built and something becomes of it."""

from __future__ import annotations

import gc
import time

from lamina.builder.build import build
from lamina.builder.events import StepStarted
from lamina.builder.watch.results import Results
from lamina.cli.watching.events import (
    Ended,
    Exited,
    Failed,
    Serves,
    Wrote,
)
from lamina.cli.watching.plain import error_lines
from lamina.cli.watching.runners import open_runner
from lamina.oci.reference import parse_reference
from lamina.runtime.swap.foreground import Foreground
from lamina.runtime.swap.overlay import error_page
from lamina.runtime.swap.serving import Serving
from lamina.runtime.swap.trial import TrialFailed, Trials
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Event as BuildEvent
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.cancellation import Cancellation
    from lamina.builder.watch.rounds import Round
    from lamina.cli.watching.events import Tell
    from lamina.cli.watching.runners import Runner
    from lamina.cli.watching.stopwatch import Stopwatch
    from lamina.cli.watching.wanted import Wanted
    from lamina.errors import LaminaError
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.runtime.swap.replica import Replica
    from lamina.runtime.swap.service import Service

    Wants = Callable[[str, bool], bool]

# How many rounds there are between two times of tidying up.
_TIDY = 16


class Work:
    """Done by one thread, round after round, until `close`. `wants` says whether a path
    belongs to the build; `left` is told the exit code of a program that was typed into
    and ended."""

    def __init__(
        self,
        store: Store,
        wanted: Wanted,
        tell: Tell,
        wants: Wants,
        left: Callable[[int], None],
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._tell = tell
        self._wants = wants
        self._program_left = left
        self._results = Results(store)
        self._overlaid = False
        self._image = ""
        # What runs: the image, and as what.
        self._ran: tuple[Digest, Service] | None = None
        self._runner: Runner | None = open_runner(
            store,
            wanted,
            (self._wrote, self._exited, self._began),
            (self._left, self._not_started),
        )

    @property
    def program(self) -> Foreground | None:
        """The program that is typed into."""
        return self._runner if isinstance(self._runner, Foreground) else None

    @property
    def serving(self) -> Serving | None:
        """The service, where one is kept up."""
        return self._runner if isinstance(self._runner, Serving) else None

    def close(self) -> None:
        """Nothing runs any longer."""
        if self._runner is not None:
            self._runner.close()

    def carry_out(
        self, number: int, asked: Round, cancellation: Cancellation, watch: Stopwatch
    ) -> Ended:
        """Do what was asked. Raises LaminaError, and Cancelled."""
        if self._is_for_sync(asked):
            self._sync(asked, cancellation, watch)
            return Ended(number, "synced", self._image)
        image = self._built(self._inputs(asked), number, cancellation, watch)
        is_new = image != self._image
        if is_new:
            for tag in self._wanted.tags:
                self._store.tag(parse_reference(tag), image)
        runner, service = self._runner, self._wanted.service
        if runner is None or service is None:
            self._image = image
            return Ended(number, "built" if is_new else "unchanged", image)
        wanted = image, service()
        if self.serving is not None and not self.serving.alive:
            self._ran = None
        if wanted == self._ran and not asked.rerun:
            self.show(None)
            return Ended(number, "unchanged", image)
        self._image = image
        self._run(runner, wanted, cancellation, watch)
        outcome = "passed" if isinstance(runner, Trials) else "swapped"
        return Ended(number, outcome, image)

    def failed(self, error: LaminaError) -> None:
        """Tell of a round that failed, on the port too where that is wanted."""
        is_serving = self._runner is not None and self._runner.alive
        self._tell(Failed(error, is_serving))
        self.show(error)

    def show(self, error: LaminaError | None) -> None:
        """Show an error on the port, where that is wanted; None: no longer."""
        serving = self.serving
        if not self._wanted.overlay or serving is None:
            return
        if error is not None:
            text = "\n".join(error_lines(Failed(error, serving.alive)))
            serving.overlay(error_page(error.message, text))
            self._overlaid = True
        elif self._overlaid:
            serving.show()
            self._overlaid = False

    def tend(self) -> None:
        """While nothing is saved: bring what was built to the disk, and replace what
        waits for the next save and was killed. Asked by any thread."""
        self._store.settle()
        if self.serving is not None:
            self.serving.tend()

    def tidy(self, number: int) -> None:
        """While nothing is to be done: it takes a few ms now and then."""
        if number % _TIDY == 0:
            self._results.trim()
            # The collector of a command that ends soon rests (cli/main.py).
            gc.collect()

    # What is saved goes into the container

    def _is_for_sync(self, asked: Round) -> bool:
        serving = self.serving
        return (
            serving is not None
            and serving.alive
            and not (asked.everything or asked.fresh or asked.rerun)
            and self._wanted.syncing.takes(asked.paths)
        )

    def _sync(self, asked: Round, cancellation: Cancellation, watch: Stopwatch) -> None:
        assert self.serving is not None
        hooks = (cancellation.check, watch.lap)
        self._wanted.syncing.carry_out(
            self._store, self.serving, asked.paths, self._tell, hooks
        )
        self.show(None)

    # An image is built, and run

    def _inputs(self, asked: Round) -> BuildInputs:
        inputs = self._wanted.inputs()
        explain = self._wanted.pressed is not None
        if asked.fresh or explain:
            inputs = replace(inputs, no_cache=asked.fresh, explain=explain)
        return inputs

    def _built(
        self,
        inputs: BuildInputs,
        number: int,
        cancellation: Cancellation,
        watch: Stopwatch,
    ) -> Digest:
        """The image's ID; what is before the first step that runs is `hash`."""
        begun: list[float] = []

        def tell(event: BuildEvent) -> None:
            if isinstance(event, StepStarted) and not begun:
                begun.append(time.monotonic())
            self._results.hear(event)
            self._tell(event)

        # Most saves feed a COPY: it is left to the first RUN to boot what it needs.
        ahead = number == 1
        try:
            made = build(self._store, inputs, tell, None, cancellation, ahead)
        finally:
            watch.lap("hash", *begun)
            if begun:
                watch.lap("layer")
        self._results.add(made[-1].id)
        return made[-1].id

    def _run(
        self,
        runner: Runner,
        wanted: tuple[Digest, Service],
        cancellation: Cancellation,
        watch: Stopwatch,
    ) -> None:
        image, service = wanted
        try:
            runner.swap(service, image, cancellation.check, watch.lap)
        except TrialFailed:
            # It would fail again: something else has to be saved.
            self._ran = wanted
            raise
        self._ran = wanted
        if isinstance(runner, Serving) and runner.current is not None:
            container = runner.current.container
            ports = tuple(map(str, runner.ports))
            self._tell(Serves(container.id, service.name or container.name, ports))

    # What is heard of what runs, from its threads

    def _left(self, container: Container, code: int) -> None:
        self._tell(Exited(container.id, code))
        self._ran = None
        self._program_left(code)

    def _not_started(self, error: LaminaError) -> None:
        self._tell(Failed(error, serving=False))
        self._ran = None

    def _wrote(self, _: Replica, stream: str, data: bytes) -> None:
        self._tell(Wrote(stream, data))

    def _began(self, replica: Replica) -> None:
        self._wanted.syncing.fill(self._store, replica, self._wants)

    def _exited(self, replica: Replica, code: int) -> None:
        # How a trial ends is its round's outcome.
        if self.serving is not None:
            self._tell(Exited(replica.container.id, code))
            # The same image is started again when something is saved.
            self._ran = None
