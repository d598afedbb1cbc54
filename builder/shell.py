"""A shell in the files that a step of an earlier build left, or made.

The step's environment, user, folder and mounts are as they were in it. What is changed
there goes into a changeset of its own and is thrown away with it: neither the kept
files nor the cache ever see it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from lamina.builder.errors import StepFailed
from lamina.builder.planning.state import DEFAULT_PATH
from lamina.builder.solving.cachekey import CacheKey
from lamina.builder.solving.graph import Inline, RunMount, RunOp, Step
from lamina.builder.solving.work import Work
from lamina.builder.traces.trace import JOURNAL, NoSuchBuild, builds_folder
from lamina.oci.digest import Digest
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.layers import Layers
    from lamina.builder.traces.trace import StepTrace, Trace
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.console import Console

# bash where there is one: it has a history and completes names.
_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
_PLAIN = RunOp(_SHELL, (f"PATH={DEFAULT_PATH}",), "/", "", "default", "sandbox")


@value
class Place:
    """Where a shell opens: `below` are layers, `root` a folder with changes to them
    or ""; `operation` is the RUN whose surroundings it gets, `told` what people read.
    """

    step: StepTrace
    below: Layers
    root: str
    operation: RunOp
    told: str


def failed_place(trace: Trace) -> Place:
    """Where the first failed step ended; of a build without one, where it ended.

    A step that left nothing (COPY, ADD) shows what it stood on.
    """
    failed = [step for step in trace.steps if step.outcome == "failed"]
    if not failed:
        reached = [
            s for s in trace.steps if s.outcome in ("cached", "done", "unchanged")
        ]
        if not reached:
            raise NoSuchBuild(f"Build {trace.id} came to no step.")
        return place_after(trace, reached[-1])
    step = failed[0]
    told = f"where {step.name} failed" if trace.root else f"before {step.name}"
    below = _contents(trace.chain(step.parent))
    return Place(step, below, trace.root, _operation(trace, step), told)


def place_after(trace: Trace, step: StepTrace) -> Place:
    """What the files were after a step."""
    if step.outcome == "failed":
        return failed_place(replace(trace, steps=_only_failed(trace, step)))
    if step.outcome not in ("cached", "done", "unchanged"):
        raise NoSuchBuild(
            f"Build {trace.id} did not finish {step.name}.",
            hint=f"`lamina log {trace.id}` shows how far it came.",
        )
    below = _contents(trace.chain(step.index))
    return Place(step, below, "", _operation(trace, step), f"after {step.name}")


def last_of_stage(trace: Trace, stage: str) -> StepTrace:
    """The last step that is done of a stage."""
    found = [
        step
        for step in trace.steps
        if step.stage.rpartition(" ")[0].split(" ")[-1] == stage
        and step.outcome in ("cached", "done", "unchanged")
    ]
    if not found:
        raise NoSuchBuild(
            f"Build {trace.id} finished no step of a stage {stage!r}.",
            hint=f"`lamina log {trace.id}` shows its steps.",
        )
    return found[-1]


def open_shell(
    store: Store,
    inputs: BuildInputs,
    trace: Trace,
    place: Place,
    command: tuple[str, ...],
    console: Console,
) -> int:
    """Run `command` (none: a shell) there, with a terminal if the console has one;
    its exit code."""
    from lamina.builder.events import silent
    from lamina.builder.ops.run_step import Runner
    from lamina.builder.sources.reads import Reads

    origins = {
        index: _contents(trace.chain(index))
        for index in place.step.inputs
        if index >= 0
    }
    if not store.has_layers([*place.below, *(c for o in origins.values() for c in o)]):
        raise NoSuchBuild(
            f"The files of {place.step.name} are no longer in the store.",
            hint="Build once more, and then open the shell.",
        )
    operation = replace(place.operation, args=command or _SHELL)
    step = Step(place.step.index, place.step.name, operation, -1, None)
    work = Work(step, CacheKey(Digest(""), ""), place.below, origins)
    lowers = [store.layer_path(layer) for layer in reversed(place.below)]
    if place.root:
        lowers.insert(0, place.root)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_in_use(store, trace))
        workspace = stack.enter_context(store.workspace())
        store.touch(place.below)
        reads = Reads(store, inputs, silent)
        stack.callback(reads.close)
        runner = Runner(store, inputs, reads, silent, workspace)
        stack.callback(runner.close)
        folder = workspace.directory("shell", 0o700)
        try:
            return runner.enter(work, operation, tuple(lowers), folder, console)
        except StepFailed as error:
            raise NoSuchBuild(error.message) from error


@contextlib.contextmanager
def _in_use(store: Store, trace: Trace) -> Iterator[None]:
    """Nobody removes what the build left while its lock is shared."""
    path = f"{builds_folder(store.root)}/{trace.id}/{JOURNAL}"
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _contents(chain: tuple[str, ...]) -> Layers:
    return tuple(map(Digest, chain))


def _only_failed(trace: Trace, wanted: StepTrace) -> tuple[StepTrace, ...]:
    """The steps, with no other failed one."""
    return tuple(
        s for s in trace.steps if s.outcome != "failed" or s.index == wanted.index
    )


def _operation(trace: Trace, step: StepTrace) -> RunOp:
    """The RUN that a step is, or the surroundings of the nearest one below it."""
    known = {found.index: found for found in trace.steps}
    if step.run:
        return _run_op(step.run)
    index = step.parent
    while index in known:
        found = known[index]
        if found.run:
            return replace(_run_op(found.run), mounts=(), scripts=())
        index = found.parent
    return _PLAIN


def _run_op(fields: Mapping[str, Any]) -> RunOp:
    """A RunOp out of JSON."""
    plain: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
    }
    plain["scripts"] = tuple(Inline(**given) for given in fields["scripts"])
    plain["mounts"] = tuple(RunMount(**given) for given in fields["mounts"])
    plain["hosts"] = tuple((name, address) for name, address in fields["hosts"])
    return RunOp(**plain)
