"""solve: the frontier loop. What is ready and not in the cache runs, side by side.

One thread decides and asks the cache; `jobs` workers execute. A step's dependents are
asked for again when its result is known, so that a step that ran and made the same
bytes as before lets all that follows hit the cache.

Nothing stands on a test: tests run where steps leave room, and never take the last
place from them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import SimpleQueue

from lamina.builder.cachekey import CacheKey, cache_key
from lamina.builder.errors import together
from lamina.builder.events import (
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepStarted,
)
from lamina.builder.graph import BaseOp
from lamina.builder.layers import Layers, result_digest
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.events import Emit
    from lamina.builder.graph import Graph, Step


@value
class Work:
    """A step that has to run: its key, and the layers of itself and of what it reads.

    `below` is the parent's chain, bottom first; `origins` the chains of `reads`.
    """

    step: Step
    key: CacheKey
    below: Layers
    origins: Mapping[int, Layers]


if TYPE_CHECKING:
    # The digests of the files that a step reads, by what it calls them.
    Digests = Callable[[Step, Mapping[int, Layers]], Mapping[str, str]]
    # What a step adds to the layers below it (a test: nothing), when that is known.
    Lookup = Callable[[Work], Layers | None]
    # Runs a step; what it adds, and whether that is new.
    Execute = Callable[[Work], tuple[Layers, bool]]


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


def solve(graph: Graph, solver: Solver) -> dict[int, Layers]:
    """The chain of layers of every step; raises what the first failed step raised, or
    StepsFailed for several."""
    return _Frontier(graph, solver).run()


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
        self._done: SimpleQueue[tuple[Work, Layers | BaseException]] = SimpleQueue()
        # What waits for a worker, and how many of each kind have one.
        self._steps: deque[Work] = deque()
        self._tests: deque[Work] = deque()
        self._running = 0
        self._testing = 0
        # Steps, but no tests, whose result is not known yet.
        self._left = sum(not step.is_test for step in graph.steps)
        # What stands on a step that failed, and what those raised.
        self._lost: set[int] = set()
        self._failures: list[LaminaError] = []
        self._stopped = False
        self._workers = _Crew()

    def run(self) -> dict[int, Layers]:
        try:
            ready = [i for i, inputs in self._waiting.items() if not inputs]
            self._probe(ready)
            while self._running:
                work, outcome = self._done.get()
                self._running -= 1
                self._testing -= work.step.is_test
                if isinstance(outcome, BaseException):
                    self._fail(work.step, outcome)
                else:
                    self._probe(self._settle(work.step, (*work.below, *outcome)))
            if self._failures:
                raise together(self._failures)
            return self._results
        except BaseException:
            self._stopped = True
            self._solver.stop()
            raise
        finally:
            self._join()

    def _fail(self, step: Step, error: BaseException) -> None:
        """End the build, or give up what stands on the step and go on."""
        if not (self._solver.keep_going and isinstance(error, LaminaError)):
            raise error
        self._failures.append(error)
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
                continue
            work = self._work(step)
            found = self._solver.lookup(work)
            if found is not None:
                cached = StepCached(step.index, step.name, work.key.digest, found)
                self._solver.emit(cached)
                ready += self._settle(step, (*work.below, *found))
            else:
                self._solver.missed(work)
                (self._tests if step.is_test else self._steps).append(work)
                # What is found in the cache may take long to look for.
                self._dispatch()
        self._dispatch()

    def _work(self, step: Step) -> Work:
        below = self._results[step.parent] if step.parent >= 0 else ()
        origins = {index: self._results[index] for index in step.reads}
        digests = self._solver.digests(step, origins)
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
            self._done.put((work, outcome))

    def _execute(self, work: Work) -> Layers:
        emit, step = self._solver.emit, work.step
        emit(StepStarted(step.index, step.name, work.key.digest))
        began = time.monotonic()
        try:
            added, changed = self._solver.execute(work)
        except BaseException:
            ended = StepCancelled if self._stopped else StepFailed
            emit(ended(step.index, step.name, time.monotonic() - began))
            raise
        seconds = time.monotonic() - began
        emit(StepDone(step.index, step.name, seconds, changed, added))
        return added

    def _join(self) -> None:
        for _ in range(self._workers.size):
            self._todo.put(None)
        self._workers.wait()


class _Crew:
    """Threads that can be waited for although Ctrl-C may come while one is started.

    Thread.start can be interrupted before it returns and after the thread began, so
    that nobody knows of it: here each signs on and off itself.
    """

    def __init__(self) -> None:
        self.size = 0
        self._at_work = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, serve: Callable[[], None]) -> None:
        self.size += 1
        threading.Thread(target=self._work, args=(serve,), name="lamina-step").start()

    def _work(self, serve: Callable[[], None]) -> None:
        with self._changed:
            if self._closed:
                return
            self._at_work += 1
        try:
            serve()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify()

    def wait(self) -> None:
        """Until all are done; who comes later does nothing."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._at_work)
