"""builder.solver: what runs, what is cached, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from lamina.builder.errors import LayersLost
from lamina.builder.errors import StepFailed as StepFails
from lamina.builder.events import Event, StepCached, StepDone, StepFailed
from lamina.builder.solving.graph import BaseOp, CopyOp, Graph, Product, RunOp, Step
from lamina.builder.solving.solver import Solver, solve
from lamina.builder.solving.work import Hit, Work
from lamina.errors import LaminaError
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest

Layers = tuple[Digest, ...]


def run(index: int, parent: int, text: str) -> Step:
    operation = RunOp((text,), (), "/", "", "default", "sandbox")
    return Step(index, text, operation, parent, None)


def checks(index: int, parent: int, text: str) -> Step:
    operation = RunOp((text,), (), "/", "", "default", "sandbox", test=True)
    return Step(index, text, operation, parent, None)


def copy_from(index: int, parent: int, origin: int) -> Step:
    operation = CopyOp(False, ("/a",), (), "/a", origin=origin)
    return Step(index, f"copy {origin}", operation, parent, None)


def base(index: int) -> Step:
    return Step(index, "base", BaseOp("base", ()), -1, None)


def graph(*steps: Step) -> Graph:
    product = Product("a", len(steps) - 1, ImageConfig("amd64", "linux"))
    return Graph(steps, (product,), "linux/amd64")


class Fake:
    """A cache and an executor: a step's layer is the digest of what `output` says."""

    def __init__(self) -> None:
        self.cache: dict[str, Layers] = {}
        self.ran: list[str] = []
        self.events: list[Event] = []
        self.output: dict[str, str] = {}
        self.fresh: set[str] = set()
        self.stopped = 0

    def solve(self, graph: Graph, jobs: int = 2) -> dict[int, Layers]:
        solver = Solver(
            digests=self.digests,
            lookup=self.lookup,
            execute=self.execute,
            emit=self.events.append,
            jobs=jobs,
            stop=self.stop,
        )
        return solve(graph, solver)

    def digests(self, step: Step, origins: Mapping[int, Layers]) -> Mapping[str, str]:
        return {str(index): " ".join(layers) for index, layers in origins.items()}

    def lookup(self, work: Work) -> Hit | None:
        if work.step.name in self.fresh or work.key.digest not in self.cache:
            return None
        return Hit(self.cache[work.key.digest])

    def execute(self, work: Work) -> tuple[Layers, bool]:
        self.ran.append(work.step.name)
        made: Layers = ()
        if not work.step.is_test:
            text = self.output.get(work.step.name, work.step.name)
            made = (Digest.of(text.encode()),)
        changed = self.cache.get(work.key.digest) != made
        self.cache[work.key.digest] = made
        return made, changed

    def stop(self) -> None:
        self.stopped += 1


CHAIN = graph(base(0), run(1, 0, "one"), run(2, 1, "two"), run(3, 2, "three"))


def test_a_chain_runs_in_order_and_then_not_again() -> None:
    fake = Fake()
    first = fake.solve(CHAIN)
    assert fake.ran == ["one", "two", "three"]
    assert [len(first[index]) for index in range(4)] == [0, 1, 2, 3]
    fake.ran.clear()
    assert fake.solve(CHAIN) == first
    assert fake.ran == []
    assert sum(isinstance(event, StepCached) for event in fake.events) == 3


def test_the_same_result_of_a_parent_cuts_the_rest_off() -> None:
    fake = Fake()
    fake.solve(CHAIN)
    fake.ran.clear()
    fake.fresh = {"one"}
    fake.solve(CHAIN)
    assert fake.ran == ["one"]
    done = [event for event in fake.events if isinstance(event, StepDone)]
    assert done[-1].changed is False


def test_another_result_of_a_parent_runs_what_stands_on_it() -> None:
    fake = Fake()
    fake.solve(CHAIN)
    fake.ran.clear()
    fake.fresh, fake.output = {"two"}, {"two": "other bytes"}
    fake.solve(CHAIN)
    assert fake.ran == ["two", "three"]


def test_a_copy_from_a_stage_waits_for_it() -> None:
    stages = graph(
        base(0), run(1, 0, "make"), base(2), copy_from(3, 2, 1), run(4, 3, "last")
    )
    fake = Fake()
    fake.solve(stages)
    assert fake.ran == ["make", "copy 1", "last"]


def meeting(number: int) -> Fake:
    """Whose steps end only when so many of them run at the same time."""
    meet = threading.Barrier(number, timeout=30)
    fake = Fake()
    inner = fake.execute

    def execute(work: Work) -> tuple[Layers, bool]:
        meet.wait()
        return inner(work)

    fake.execute = execute  # type: ignore[method-assign]
    return fake


def test_independent_steps_run_side_by_side() -> None:
    fan = graph(base(0), run(1, 0, "left"), run(2, 0, "right"))
    fake = meeting(2)
    fake.solve(fan, jobs=2)
    assert sorted(fake.ran) == ["left", "right"]


def test_a_test_is_cached_and_nothing_stands_on_it() -> None:
    tested = graph(base(0), run(1, 0, "make"), checks(2, 1, "check"), run(3, 1, "last"))
    fake = Fake()
    first = fake.solve(tested)
    assert sorted(fake.ran) == ["check", "last", "make"]
    assert first[2] == first[1]
    fake.ran.clear()
    assert fake.solve(tested) == first
    assert fake.ran == []


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_tests_leave_room_for_the_steps(jobs: int) -> None:
    """Tests that end only when the last step has: they may not keep it waiting."""
    tests = [checks(2 + n, 1, f"check {n}") for n in range(4)]
    steps = graph(
        base(0), run(1, 0, "make"), *tests, run(6, 1, "on"), run(7, 6, "last")
    )
    fake = Fake()
    done = threading.Event()
    inner = fake.execute

    def execute(work: Work) -> tuple[Layers, bool]:
        if work.step.is_test:
            assert done.wait(30)
        made = inner(work)
        if work.step.name == "last":
            done.set()
        return made

    fake.execute = execute  # type: ignore[method-assign]
    fake.solve(steps, jobs)
    assert fake.ran[:3] == ["make", "on", "last"]
    assert len(fake.ran) == 7


def test_tests_run_side_by_side_when_the_steps_are_done() -> None:
    pair = graph(base(0), checks(1, 0, "left"), checks(2, 0, "right"))
    fake = meeting(2)
    fake.solve(pair, jobs=2)
    assert sorted(fake.ran) == ["left", "right"]


def test_the_first_failure_ends_the_build() -> None:
    fake = Fake()

    def execute(work: Work) -> tuple[Layers, bool]:
        raise ValueError(work.step.name)

    fake.execute = execute  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="one"):
        fake.solve(CHAIN)
    assert fake.stopped == 1
    assert isinstance(fake.events[-1], StepFailed)
    assert not [t for t in threading.enumerate() if t.name == "lamina-step"]


def test_what_another_build_made_meanwhile_is_cached() -> None:
    class Late(Fake):
        def execute(self, work: Work) -> tuple[Layers, bool] | Hit:  # type: ignore[override]
            return Hit((Digest.of(b"made elsewhere"),))

    fake = Late()
    fake.solve(graph(base(0), run(1, 0, "one")))
    assert isinstance(fake.events[-1], StepCached)
    assert not [event for event in fake.events if isinstance(event, StepDone)]


def reading(index: int, parent: int, name: str) -> Step:
    operation = CopyOp(False, (name,), (), "/a")
    return Step(index, name, operation, parent, None)


def test_what_steps_read_is_looked_at_side_by_side() -> None:
    """Two downloads and a step that runs meanwhile: each waits for the others."""
    together = threading.Barrier(3, timeout=20)

    class Waiting(Fake):
        def digests(
            self, step: Step, origins: Mapping[int, Layers]
        ) -> Mapping[str, str]:
            if isinstance(step.operation, CopyOp):
                together.wait()
            return {"files": step.name}

        def execute(self, work: Work) -> tuple[Layers, bool]:
            if isinstance(work.step.operation, RunOp):
                together.wait()
            return super().execute(work)

    fake = Waiting()
    steps = (base(0), reading(1, 0, "x"), reading(2, 0, "y"), run(3, 0, "meanwhile"))
    assert len(fake.solve(graph(*steps))) == 4
    assert sorted(fake.ran) == ["meanwhile", "x", "y"]


def test_a_failure_does_not_wait_for_what_others_read() -> None:
    stopped = threading.Event()

    class Failing(Fake):
        def digests(
            self, step: Step, origins: Mapping[int, Layers]
        ) -> Mapping[str, str]:
            if isinstance(step.operation, CopyOp):
                assert stopped.wait(20)
                raise LaminaError("it was stopped")
            return {}

        def execute(self, work: Work) -> tuple[Layers, bool]:
            raise LaminaError("it failed")

        def stop(self) -> None:
            super().stop()
            stopped.set()

    fake = Failing()
    steps = (base(0), reading(1, 0, "slow"), run(2, 0, "fails"), run(3, 1, "after"))
    with pytest.raises(LaminaError, match="it failed"):
        fake.solve(graph(*steps))
    assert fake.stopped == 1


def test_what_cannot_be_read_fails_its_step_alone_when_others_go_on() -> None:
    class Missing(Fake):
        def digests(
            self, step: Step, origins: Mapping[int, Layers]
        ) -> Mapping[str, str]:
            if step.name == "missing":
                raise LaminaError("it is not there")
            return {}

    fake = Missing()
    solver = Solver(
        digests=fake.digests,
        lookup=fake.lookup,
        execute=fake.execute,
        emit=fake.events.append,
        jobs=2,
        stop=fake.stop,
        keep_going=True,
    )
    steps = (base(0), reading(1, 0, "missing"), run(2, 0, "goes on"))
    with pytest.raises(LaminaError, match="not there"):
        solve(graph(*steps), solver)
    assert fake.ran == ["goes on"]


# Layers that were promised


def promised(fake: Fake, graph: Graph, *lost: str) -> list[str]:
    """Solve, where the steps `lost` stand on a layer that does not come; then again."""
    inner = fake.execute
    fake.events.clear()
    fake.ran.clear()

    def execute(work: Work) -> tuple[Layers, bool]:
        if work.step.name in lost:
            raise LayersLost("gone")
        return inner(work)

    fake.execute = execute  # type: ignore[method-assign]
    with pytest.raises(LayersLost):
        fake.solve(graph)
    fake.execute = inner  # type: ignore[method-assign]
    first = list(fake.ran)
    fake.solve(graph)
    return first


def test_a_lost_layer_ends_nothing_that_runs() -> None:
    fake = Fake()
    wide = graph(base(0), run(1, 0, "one"), run(2, 0, "two"), run(3, 2, "three"))
    first = promised(fake, wide, "one")
    # What does not need it is done, and is not done again.
    assert sorted(first) == ["three", "two"]
    assert fake.stopped == 0
    assert sorted(fake.ran) == ["one", "three", "two"]
    assert not [event for event in fake.events if isinstance(event, StepFailed)]


def test_files_in_a_lost_layer() -> None:
    fake = Fake()
    reads = graph(base(0), run(1, 0, "one"), base(2), copy_from(3, 2, 1))
    inner = fake.digests

    def digests(step: Step, origins: Mapping[int, Layers]) -> Mapping[str, str]:
        if origins and "one" not in again:
            again.append("one")
            raise LayersLost("gone")
        return inner(step, origins)

    again: list[str] = []
    fake.digests = digests  # type: ignore[method-assign]
    with pytest.raises(LayersLost):
        fake.solve(reads)
    assert len(fake.solve(reads)) == 4


def test_a_step_that_fails_is_told_rather() -> None:
    fake = Fake()
    wide = graph(base(0), run(1, 0, "one"), run(2, 0, "two"))

    def execute(work: Work) -> tuple[Layers, bool]:
        raise LayersLost("gone") if work.step.name == "one" else StepFails("no")

    fake.execute = execute  # type: ignore[method-assign]
    with pytest.raises(StepFails):
        fake.solve(wide, jobs=1)
