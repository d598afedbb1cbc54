"""solve: the frontier loop. What is ready and not in the cache runs, side by side.

One thread decides and asks the cache; `jobs` workers execute, and a few more find out
what keys need, which may be a download or a large folder to read. A step's dependents
are asked for again when its result is known, so that a step that ran and made the same
bytes as before lets all that follows hit the cache.

Nothing stands on a test: tests run where steps leave room, and never take the last
place from them.
"""

from __future__ import annotations

import time
from collections import deque
from queue import Empty, SimpleQueue

from lamina.builder.errors import LayersLost, SolveAgain, together
from lamina.builder.events import (
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepStarted,
)
from lamina.builder.solving.cachekey import cache_key
from lamina.builder.solving.cancellation import Cancellation, Cancelled
from lamina.builder.solving.crew import Crew
from lamina.builder.solving.graph import CACHE_ORIGIN, BaseOp, CopyOp, RunOp
from lamina.builder.solving.layers import Layers, result_digest
from lamina.builder.solving.work import Hit, Work
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.events import Emit
    from lamina.builder.solving.graph import Graph, Step


@value
class _Keyed:
    """A step of which the digests of what it reads are known, or why they are not."""

    step: Step
    outcome: Mapping[str, str] | BaseException


@value
class _Executed:
    """A step that was carried out: what it adds, or what it raised."""

    work: Work
    outcome: Layers | BaseException


# So many steps at once wait for what they read: for a network, most of the time.
_MOST_KEYING = 8
_GLANCE = 0.5  # seconds

if TYPE_CHECKING:
    # The digests of the files that a step reads, by what it calls them.
    Digests = Callable[[Step, Mapping[int, Layers]], Mapping[str, str]]
    Lookup = Callable[[Work], Hit | None]
    # Runs a step: what it adds, and whether that is new; or what was known by then.
    Execute = Callable[[Work], tuple[Layers, bool] | Hit]


@value
class Solver:
    """What solving needs from outside."""

    digests: Digests
    lookup: Lookup
    execute: Execute
    emit: Emit
    jobs: int
    # Called once, when the first failure or an interrupt ends the build.
    stop: Callable[[], None]
    # Told of each step for which the cache has no result.
    missed: Callable[[Work], None] = lambda _: None
    # After a failure all that does not stand on it is still done.
    keep_going: bool = False
    cancellation: Cancellation | None = None


def solve(graph: Graph, solver: Solver) -> dict[int, Layers]:
    """The chain of layers of every step; raises what the first failed step raised, or
    StepsFailed for several.

    Raises SolveAgain when nothing else is left to do: solving once more runs what was
    promised and lost, or has other files to read, and finds the rest in the cache.
    """
    frontier = _Frontier(graph, solver)
    if solver.cancellation is None:
        results = frontier.run()
    else:
        with solver.cancellation.told(frontier.cancel):
            results = frontier.run()
    if frontier.lost is not None:
        raise frontier.lost
    return results


class _Frontier:
    """The solve in progress."""

    def __init__(self, graph: Graph, solver: Solver) -> None:
        self._graph = graph
        self._solver = solver
        self._results: dict[int, Layers] = {}
        self._waiting = {step.index: set(step.inputs) for step in graph.steps}
        self._users: dict[int, list[int]] = {}
        for step in graph.steps:
            for given in set(step.inputs):
                self._users.setdefault(given, []).append(step.index)
        self._todo: SimpleQueue[Work | None] = SimpleQueue()
        self._unkeyed: SimpleQueue[Step | None] = SimpleQueue()
        self._done: SimpleQueue[_Keyed | _Executed | Cancelled] = SimpleQueue()
        # What waits for a worker, and how many of each kind have one.
        self._steps: deque[Work] = deque()
        self._tests: deque[Work] = deque()
        self._running = 0
        self._testing = 0
        self._keying = 0
        # Steps, but no tests, whose result is not known yet.
        self._left = sum(not step.is_test for step in graph.steps)
        # What stands on a step that failed, and what those raised.
        self._lost: set[int] = set()
        self._failures: list[LaminaError] = []
        # What a step was to have and has not: no failure of its own.
        self.lost: SolveAgain | None = None
        self._stopped = False
        self._workers = Crew()
        self._keyers = Crew()

    def run(self) -> dict[int, Layers]:
        try:
            ready = [i for i, inputs in self._waiting.items() if not inputs]
            self._probe(ready)
            while self._running or self._keying:
                done = self._next()
                if isinstance(done, Cancelled):
                    raise done
                if isinstance(done, _Keyed):
                    self._keying -= 1
                    self._take_up(done)
                else:
                    self._running -= 1
                    self._testing -= done.work.step.is_test
                    self._finish(done)
            if self._failures:
                raise together(self._failures)
            return self._results
        except BaseException:
            self._stopped = True
            self._solver.stop()
            raise
        finally:
            self._join()

    def _next(self) -> _Keyed | _Executed | Cancelled:
        """What is done next. A signal that comes between Python's last look for one and
        the wait is seen when that ends: so it ends now and then."""
        while True:
            try:
                return self._done.get(timeout=_GLANCE)
            except Empty:
                continue

    def cancel(self) -> None:
        """End it with Cancelled; from any thread."""
        self._done.put(Cancelled())

    def _take_up(self, keyed: _Keyed) -> None:
        if isinstance(keyed.outcome, BaseException):
            self._fail(keyed.step, keyed.outcome)
        else:
            self._probe(self._ask(keyed.step, keyed.outcome))

    def _finish(self, done: _Executed) -> None:
        step, outcome = done.work.step, done.outcome
        if isinstance(outcome, BaseException):
            self._fail(step, outcome)
        else:
            self._probe(self._settle(step, (*done.work.below, *outcome)))

    def _fail(self, step: Step, error: BaseException) -> None:
        """End the build, or give up what stands on the step and go on."""
        if isinstance(error, SolveAgain):
            self.lost = error
        elif self._solver.keep_going and isinstance(error, LaminaError):
            self._failures.append(error)
        else:
            raise error
        lost = [step.index]
        while lost:
            index = lost.pop()
            if index not in self._lost:
                self._lost.add(index)
                self._left -= not self._graph.steps[index].is_test
                lost += self._users.get(index, ())
        self._dispatch()

    def _probe(self, ready: list[int]) -> None:
        """Ask the cache for steps whose inputs are known; what misses runs, as soon
        as there is room."""
        while ready:
            step = self._graph.steps[ready.pop(0)]
            if isinstance(step.operation, BaseOp):
                ready += self._settle(step, step.operation.layers)
            elif _reads_files(step) and (ready or self._running or self._keying):
                self._key_later(step)
            else:
                try:
                    digests = self._digests(step)
                except LayersLost as error:
                    self._fail(step, error)
                    continue
                ready += self._ask(step, digests)
        self._dispatch()

    def _ask(self, step: Step, digests: Mapping[str, str]) -> list[int]:
        """Ask the cache for a step; the steps that a hit makes ready."""
        work = self._work(step, digests)
        found = self._solver.lookup(work)
        if found is not None:
            self._solver.emit(_cached(work, found))
            return self._settle(step, (*work.below, *found.layers))
        self._solver.missed(work)
        (self._tests if step.is_test else self._steps).append(work)
        # What comes next may take long to look for.
        self._dispatch()
        return []

    def _digests(self, step: Step) -> Mapping[str, str]:
        return self._solver.digests(step, self._origins(step))

    def _origins(self, step: Step) -> dict[int, Layers]:
        return {index: self._results[index] for index in step.reads}

    def _key_later(self, step: Step) -> None:
        """Have the digests of what a step reads found out beside all else."""
        self._keying += 1
        self._unkeyed.put(step)
        if self._keyers.size < min(_MOST_KEYING, self._keying):
            self._keyers.add(self._serve_keys)

    def _serve_keys(self) -> None:
        while (step := self._unkeyed.get()) is not None:
            if self._stopped:
                continue
            try:
                outcome: Mapping[str, str] | BaseException = self._digests(step)
            except BaseException as error:
                outcome = error
            self._done.put(_Keyed(step, outcome))

    def _work(self, step: Step, digests: Mapping[str, str]) -> Work:
        below = self._results[step.parent] if step.parent >= 0 else ()
        origins = self._origins(step)
        parent = result_digest(below)
        platform = step.platform or self._graph.platform
        key = cache_key(step, parent, digests, platform)
        return Work(step, key, below, origins)

    def _settle(self, step: Step, layers: Layers) -> list[int]:
        """Note a result; the steps that it makes ready."""
        self._results[step.index] = layers
        self._left -= not step.is_test
        ready = []
        for user in self._users.get(step.index, ()):
            self._waiting[user].discard(step.index)
            if not self._waiting[user]:
                ready.append(user)
        return ready

    def _dispatch(self) -> None:
        """Give what waits to workers: steps first; tests leave one place to them."""
        jobs = self._solver.jobs
        while self._running < jobs and self._steps:
            self._submit(self._steps.popleft())
        places = jobs - 1 if self._left else jobs
        while self._running < jobs and self._testing < places and self._tests:
            self._testing += 1
            self._submit(self._tests.popleft())

    def _submit(self, work: Work) -> None:
        self._running += 1
        self._todo.put(work)
        if self._workers.size < min(self._solver.jobs, self._running):
            self._workers.add(self._serve)

    def _serve(self) -> None:
        """A worker: execute what comes until None does."""
        while (work := self._todo.get()) is not None:
            if self._stopped:
                continue
            try:
                outcome: Layers | BaseException = self._execute(work)
            except BaseException as error:
                outcome = error
            self._done.put(_Executed(work, outcome))

    def _execute(self, work: Work) -> Layers:
        emit, step = self._solver.emit, work.step
        emit(StepStarted(step.index, step.name, work.key.digest))
        began = time.monotonic()
        try:
            made = self._solver.execute(work)
        except BaseException as error:
            lost = self._stopped or isinstance(error, SolveAgain)
            ended = StepCancelled if lost else StepFailed
            emit(ended(step.index, step.name, time.monotonic() - began))
            raise
        seconds = time.monotonic() - began
        if isinstance(made, Hit):
            emit(_cached(work, made))
            return made.layers
        added, changed = made
        emit(StepDone(step.index, step.name, seconds, changed, added))
        return added

    def _join(self) -> None:
        for _ in range(self._workers.size):
            self._todo.put(None)
        for _ in range(self._keyers.size):
            self._unkeyed.put(None)
        self._workers.wait()
        self._keyers.wait()


def _reads_files(step: Step) -> bool:
    """Whether it may take a while to know what a step's key holds."""
    operation = step.operation
    if isinstance(operation, CopyOp):
        return bool(operation.sources)
    return isinstance(operation, RunOp) and any(
        mount.origin != CACHE_ORIGIN for mount in operation.mounts
    )


def _cached(work: Work, found: Hit) -> StepCached:
    step, key = work.step, work.key.digest
    return StepCached(step.index, step.name, key, found.layers, found.source)
