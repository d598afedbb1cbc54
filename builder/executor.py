"""Executor: carries out one step on a snapshot and commits what it changed.

Opened for a build and closed with it: it holds the build's workspace, its context, and
the runtime once a RUN needs one. Threads may execute different steps at once.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from lamina.builder.caching.cache import expiry, lookup, record
from lamina.builder.commit import commit
from lamina.builder.errors import LayersLost, SourceChanged, StepFailed, placed
from lamina.builder.events import Note, StepCached, StepMissed
from lamina.builder.ops.noise import scrub
from lamina.builder.solving.graph import CopyOp, RunOp, WorkdirOp
from lamina.builder.solving.shared import Nobody
from lamina.builder.solving.solver import Solver, solve
from lamina.builder.solving.work import Hit, Work
from lamina.builder.sources.reads import Reads
from lamina.errors import LaminaError
from lamina.oci.errors import InUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lamina.builder.caching.explain import Explainer
    from lamina.builder.events import Emit, Event
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.ops.run_step import Runner
    from lamina.builder.sharing.exports import Solved
    from lamina.builder.sharing.imports import Imports
    from lamina.builder.sharing.offers import Offer
    from lamina.builder.solving.cancellation import Cancellation
    from lamina.builder.solving.graph import Graph
    from lamina.builder.solving.layers import Layers
    from lamina.builder.solving.shared import SharedCaches
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store

# CLOCK_REALTIME_COARSE, linux/time.h: the clock that stamps files.
_FILE_CLOCK = 5
# So often the files of a build may change before it gives up.
_MOST_CHANGES = 3
# How long (s) it may go unnoticed that the build was stopped.
_PAUSE = 0.05


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
        cancellation: Cancellation | None = None,
    ) -> None:
        self._store = store
        self._inputs = inputs
        self._emit = emit
        self._keep_root = keep_root
        self._cancellation = cancellation
        self._workspace = store.workspace()
        self._runner: Runner | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._imports = self._opened_imports()
        self._shared: SharedCaches = self._imports or Nobody()
        self.reads = Reads(store, inputs, emit, self._stopped.is_set, self._shared)
        self.scrub = inputs.scrub
        self._explainer: Explainer | None = None
        # The steps whose result is in a cache by now, by index.
        self.known: dict[int, Work] = {}
        # What this build made, by cache key: with --no-cache, too, equal steps of two
        # stages run once.
        self._made: dict[str, Layers] = {}
        # Whose turn it is among equal steps of this build, by cache key.
        self._turns: dict[str, threading.Lock] = {}
        # How many steps were begun; one whose files changed is begun again.
        self._begun = 0
        # The steps that were told to be cached.
        self._told: set[int] = set()
        # When (seconds since 1970) the first result becomes too old; 0 = never.
        self.until = 0

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._runner is not None:
                self._runner.close()
            else:
                # A runner does it when it begins: what killed builds left goes with
                # the next one, whether that runs a step or not.
                from lamina.runtime.cgroups import owned

                owned.collect()
            if self._explainer is not None and self.known:
                self._explainer.remember([*self.known.values()])
            self.reads.close()
            if self._imports is not None:
                self._imports.close()
        finally:
            self._workspace.close()

    def _opened_imports(self) -> Imports | None:
        """The caches of other machines, where the build may ask some."""
        if not self._inputs.cache_from:
            return None
        from lamina.builder.sharing.imports import Imports

        return Imports(self._store, self._inputs, self._emit, self._workspace)

    def solved(self, graph: Graph, results: Mapping[int, Layers]) -> Solved:
        """What is known in the end, for who wants to share it."""
        from lamina.builder.sharing.exports import Solved

        offers: tuple[Offer, ...] = ()
        distrusted: frozenset[Digest] = frozenset()
        if self._imports is not None:
            offers, distrusted = self._imports.asked(), self._imports.distrusted
        memos = self.reads.memos
        return Solved(graph, self.known, results, memos, offers, distrusted)

    def solver(self, graph: Graph) -> Solver:
        """What `solve` needs, with this executor's cache and steps."""
        from lamina.builder.caching.explain import Explainer

        self._explainer = Explainer(
            self._store, self._inputs, graph, self.reads, self._shared
        )
        return Solver(
            digests=self.reads.digests,
            lookup=self._lookup,
            execute=self.execute,
            emit=self._tell,
            jobs=self._inputs.jobs,
            stop=self.stop,
            missed=self._missed,
            keep_going=self._inputs.keep_going,
            cancellation=self._cancellation,
        )

    def solve(self, graph: Graph) -> dict[int, Layers]:
        """The chain of layers of every step; those of the graph's products are here.

        What a shared cache promised and did not give is run after all, and files that
        changed before they were read are looked at anew: all else is known by then.
        """
        solver = self.solver(graph)
        changes = 0
        while True:
            try:
                results = solve(graph, solver)
                tips = (results[made.tip] for made in graph.products)
                self._shared.bring(layer for chain in tips for layer in chain)
                return results
            except LayersLost:
                continue
            except SourceChanged as error:
                changes += 1
                if changes == _MOST_CHANGES:
                    raise
                self._emit(Note(f"{error.message} It is looked at again."))

    def _tell(self, event: Event) -> None:
        """A step that is found again when a build is solved once more is no news."""
        if isinstance(event, StepCached):
            if event.step in self._told:
                return
            self._told.add(event.step)
        self._emit(event)

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
        self.reads.abort()
        with self._lock:
            if self._runner is not None:
                self._runner.stop()
        self._shared.stop()

    def execute(self, work: Work) -> tuple[Layers, bool] | Hit:
        """The layer that a step makes (a test: none), and whether it is a new one.

        Two builds that want the same step wait for each other, and the second finds
        the first one's result: that is a Hit. So do two steps of one build that are
        the same.
        """

        def waits() -> None:
            text = f"{work.step.name}: waiting for another build that makes it"
            self._emit(Note(text))

        key = work.key.digest
        with self._turn(key), self._store.alone(key, self._stopped.is_set, waits):
            made_before = self._made.get(key)
            if made_before is not None:
                return Hit(made_before)
            found = self._lookup(work)
            if found is not None:
                return found
            made = self._carry_out(work)
            self._made[key] = made[0]
            self._note_known(work)
            if self._explainer is not None:
                self._explainer.keep_files(work)
            return made

    @contextlib.contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """One step of this build at a time is in the block for `key`."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        while not turn.acquire(timeout=_PAUSE):
            if self._stopped.is_set():
                raise InUse("Stopped while another step made the same.")
        try:
            yield
        finally:
            turn.release()

    def _lookup(self, work: Work) -> Hit | None:
        """What the cache has, this machine's or another's; nothing of a step that is to
        run again.

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
        max_age = _max_age(work)
        found = lookup(self._store, work.key, max_age)
        if found is not None:
            self._note_known(work)
            return Hit(found)
        elsewhere = self._shared.find(work.key, max_age)
        if elsewhere is None:
            return None
        self._note_known(work, elsewhere.created)
        return Hit(elsewhere.layers, elsewhere.source)

    def _note_known(self, work: Work, created: int = 0) -> None:
        """The step has a result, made at `created` (0: as the local cache says)."""
        self.known[work.step.index] = work
        max_age = _max_age(work)
        if not max_age:
            return
        until = expiry(self._store, work.key, max_age)
        if created:
            until = int(created + max_age / 1e9)
        with self._lock:
            self.until = min(self.until or until, until)

    def _carry_out(self, work: Work) -> tuple[Layers, bool]:
        chains = (work.below, *work.origins.values())
        self._shared.bring(layer for chain in chains for layer in chain)
        with self._lock:
            self._begun += 1
            name = f"{work.step.index}-{self._begun}"
        place = self._workspace.directory(name, 0o700)
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
            return (), record(self._store, work.key, (), work.step.name)
        if self.scrub:
            scrub(upper, lowers)
        epoch = self._inputs.epoch.seconds
        content, changed = commit(self._store, work, upper, since, epoch)
        return (content,), changed

    def _perform(
        self, work: Work, lowers: tuple[str, ...], upper: str, place: str
    ) -> int:
        """Do what the step says to `upper`; since when its files are new (ns)."""
        operation = work.step.operation
        if isinstance(operation, RunOp):
            if work.step.platform not in ("", self._inputs.platform):
                from lamina.runtime.isolation.emulation import require_runnable

                require_runnable(work.step.platform)
            began = time.clock_gettime_ns(_FILE_CLOCK)
            self._runtime().run(work, operation, lowers, upper, place)
            return began
        if isinstance(operation, CopyOp):
            from lamina.builder.ops.copy_step import copy_step

            inputs = self._inputs
            return copy_step(self._store, self.reads, work, lowers, upper, inputs)
        assert isinstance(operation, WorkdirOp)
        from lamina.builder.ops.copy_step import workdir_step

        workdir_step(work, operation, lowers, upper)
        return 0

    def _runtime(self) -> Runner:
        with self._lock:
            if self._runner is None:
                from lamina.builder.ops.run_step import Runner

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
