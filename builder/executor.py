"""Executor: carries out one step on a snapshot and commits what it changed.

Opened for a build and closed with it: it holds the build's workspace, its context, and
the runtime once a RUN needs one. Threads may execute different steps at once.
"""

from __future__ import annotations

import os
import threading
import time

from lamina.builder.cache import expiry, lookup, record
from lamina.builder.commit import commit
from lamina.builder.errors import StepFailed, placed
from lamina.builder.events import StepMissed
from lamina.builder.graph import CopyOp, RunOp, WorkdirOp
from lamina.builder.noise import scrub
from lamina.builder.reads import Reads
from lamina.builder.solver import Solver, Work
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Emit
    from lamina.builder.explain import Explainer
    from lamina.builder.graph import Graph
    from lamina.builder.inputs import BuildInputs
    from lamina.builder.layers import Layers
    from lamina.builder.run_step import Runner
    from lamina.oci.store import Store

# CLOCK_REALTIME_COARSE, linux/time.h: the clock that stamps files.
_FILE_CLOCK = 5


def _keep_nothing(_work: Work, _upper: str) -> None:
    """What a failed step changed goes with the workspace."""


class Executor:
    """Use it with `with`: what it made in its workspace is gone afterwards."""

    def __init__(
        self,
        store: Store,
        inputs: BuildInputs,
        emit: Emit,
        keep_root: Callable[[Work, str], None] = _keep_nothing,
    ) -> None:
        self._store = store
        self._inputs = inputs
        self._emit = emit
        self._keep_root = keep_root
        self._workspace = store.workspace()
        self._runner: Runner | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.reads = Reads(store, inputs, emit, self._stopped.is_set)
        self.scrub = inputs.scrub
        self._explainer: Explainer | None = None
        # The steps whose result is in the cache by now, by index.
        self._known: dict[int, Work] = {}
        # What this build made, by cache key: with --no-cache, too, equal steps of two
        # stages run once.
        self._made: dict[str, Layers] = {}
        # When (seconds since 1970) the first result becomes too old; 0 = never.
        self.until = 0

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._runner is not None:
                self._runner.close()
            if self._explainer is not None and self._known:
                self._explainer.remember([*self._known.values()])
            self.reads.close()
        finally:
            self._workspace.close()

    def solver(self, graph: Graph) -> Solver:
        """What `solve` needs, with this executor's cache and steps."""
        from lamina.builder.explain import Explainer

        self._explainer = Explainer(self._store, self._inputs, graph, self.reads)
        return Solver(
            digests=self.reads.digests,
            lookup=self._lookup,
            execute=self.execute,
            emit=self._emit,
            jobs=self._inputs.jobs,
            stop=self.stop,
            missed=self._missed,
            keep_going=self._inputs.keep_going,
        )

    def _missed(self, work: Work) -> None:
        if self._inputs.explain:
            assert self._explainer is not None
            reasons = self._explainer.reasons(work)
            self._emit(StepMissed(work.step.index, work.step.name, reasons))

    def prepare(self) -> None:
        """Start the runtime now: it boots while the recipe is still being read."""
        self._runtime()

    def stop(self) -> None:
        """End what runs; steps that have not begun will not."""
        self._stopped.set()
        with self._lock:
            if self._runner is not None:
                self._runner.stop()

    def execute(self, work: Work) -> tuple[Layers, bool]:
        """The layer that a step makes (a test: none), and whether it is a new one.

        Two builds that want the same step wait for each other, and the second finds
        the first one's result.
        """
        with self._store.alone(work.key.digest, self._stopped.is_set):
            found = self._made.get(work.key.digest)
            if found is None:
                found = self._lookup(work)
            if found is not None:
                return found, False
            made = self._carry_out(work)
            self._made[work.key.digest] = made[0]
            self._note_expiry(work)
            if self._explainer is not None:
                self._explainer.keep_files(work)
            self._known[work.step.index] = work
            return made

    def _lookup(self, work: Work) -> Layers | None:
        """What the cache has; nothing of a step that is to run again.

        `--no-cache` is about RUN, COPY and ADD, as in BuildKit.
        """
        operation = work.step.operation
        inputs = self._inputs
        fresh = inputs.no_cache or work.step.stage in inputs.fresh_stages
        fresh &= isinstance(operation, RunOp | CopyOp)
        if isinstance(operation, RunOp):
            fresh |= operation.no_cache
        if fresh:
            return None
        found = lookup(self._store, work.key, _max_age(work))
        if found is not None:
            self._note_expiry(work)
            self._known[work.step.index] = work
        return found

    def _note_expiry(self, work: Work) -> None:
        max_age = _max_age(work)
        if max_age:
            until = expiry(self._store, work.key, max_age)
            with self._lock:
                self.until = min(self.until or until, until)

    def _carry_out(self, work: Work) -> tuple[Layers, bool]:
        place = self._workspace.directory(str(work.step.index), 0o700)
        lowers = tuple(self._store.layer_path(layer) for layer in reversed(work.below))
        upper = _upper(place, lowers)
        try:
            since = self._perform(work, lowers, upper, place)
            return self._keep(work, lowers, upper, since)
        except StepFailed as error:
            if not self._stopped.is_set():
                self._keep_root(work, upper)
            raise placed(error, work.step.span) from error
        except LaminaError as error:
            raise placed(error, work.step.span) from error

    def _keep(
        self, work: Work, lowers: tuple[str, ...], upper: str, since: int
    ) -> tuple[Layers, bool]:
        """What a step made as its result: a layer, unless it is a test."""
        if work.step.is_test:
            self._store.discard(upper)
            return (), record(self._store, work.key, ())
        if self.scrub:
            scrub(upper, lowers)
        epoch = self._inputs.epoch.seconds
        content, changed = commit(self._store, work.key, upper, since, epoch)
        return (content,), changed

    def _perform(
        self, work: Work, lowers: tuple[str, ...], upper: str, place: str
    ) -> int:
        """Do what the step says to `upper`; since when its files are new (ns)."""
        operation = work.step.operation
        if isinstance(operation, RunOp):
            if work.step.platform not in ("", self._inputs.platform):
                from lamina.runtime.emulation import require_runnable

                require_runnable(work.step.platform)
            began = time.clock_gettime_ns(_FILE_CLOCK)
            self._runtime().run(work, operation, lowers, upper, place)
            return began
        if isinstance(operation, CopyOp):
            from lamina.builder.copy_step import copy_step

            inputs = self._inputs
            return copy_step(self._store, self.reads, work, lowers, upper, inputs)
        assert isinstance(operation, WorkdirOp)
        from lamina.builder.copy_step import workdir_step

        workdir_step(work, operation, lowers, upper)
        return 0

    def _runtime(self) -> Runner:
        with self._lock:
            if self._runner is None:
                from lamina.builder.run_step import Runner

                self._runner = Runner(
                    self._store, self._inputs, self.reads, self._emit, self._workspace
                )
            return self._runner


def _max_age(work: Work) -> int:
    operation = work.step.operation
    return operation.max_age if isinstance(operation, RunOp) else 0


def _upper(place: str, lowers: tuple[str, ...]) -> str:
    """An empty changeset whose root is as the root below is: overlay shows this one."""
    path = f"{place}/upper"
    os.mkdir(path)
    mode, uid, gid = 0o755, 0, 0
    if lowers:
        found = os.stat(lowers[0], follow_symlinks=False)
        mode, uid, gid = found.st_mode & 0o7777, found.st_uid, found.st_gid
    os.chmod(path, mode)
    os.chown(path, uid, gid)
    return path
