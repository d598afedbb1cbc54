"""Trace: what a build did, step by step, as it is kept in the store.

    builds/ID/trace         the journal: one JSON object a line, flocked while it runs
    builds/ID/N.log         what step N wrote, whole, as it came
    builds/ID/root          the changes that a failed step left (`lamina shell`)
    builds/logs/KEY         the log of the run that the cache holds for a cache key:
                            a hard link to the N.log of that build

The first line of a journal is about the build, one with "step" adds to what is known
of that step, and the last one says how the build ended. A line is one write(2): what a
killed build leaves can be read. Nothing needs these files; whoever finds one gone does
without. Layers below a `root` are pinned for "build:ID" (Store.pin).
"""  # noqa: A005

from __future__ import annotations

import fcntl
import json
import os
import time

from lamina.errors import LaminaError
from lamina.values import EMPTY, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

JOURNAL = "trace"
ROOT = "root"
LOGS = "logs"


class NoSuchBuild(LaminaError):
    """A build or a step that is not (or no longer) known."""


@value
class StepTrace:
    """A step: `outcome` is cached, done, unchanged, failed, cancelled, running, base,
    or "" for one that was not reached.

    `began` and `seconds` are seconds, `began` since the build began; `layers` what the
    step added; `size` its bytes (0: unknown); `run` is the RunOp of a RUN, as JSON has
    it; `log` the file with all that it wrote, "" for nothing.
    """

    index: int
    stage: str
    name: str
    place: str = ""
    inputs: tuple[int, ...] = ()
    parent: int = -1
    key: str = ""
    outcome: str = ""
    began: float = 0
    seconds: float = 0
    reasons: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    size: int = 0
    run: Mapping[str, Any] = EMPTY
    log: str = ""


@value
class Trace:
    """A build: `outcome` is built, failed, cancelled, running, or killed.

    `started` in seconds since 1970; `seconds` is how long it ran: one that was killed
    until it last wrote something, since nobody knows more. `context` and `ignore` are
    as in BuildInputs; `root` is the folder with the changes of the step that failed, ""
    for none.
    """

    id: str
    started: float
    seconds: float
    recipe: str
    target: str
    platform: str
    outcome: str
    steps: tuple[StepTrace, ...]
    context: str = ""
    ignore: str = ""
    error: str = ""
    root: str = ""

    def chain(self, index: int) -> tuple[str, ...]:
        """The layers of a step's files, the lowest first."""
        known = {step.index: step for step in self.steps}
        found: tuple[str, ...] = ()
        while index in known:
            found = known[index].layers + found
            index = known[index].parent
        return found


def builds_folder(store_root: str) -> str:
    return f"{store_root}/builds"


def traces(store_root: str) -> tuple[Trace, ...]:
    """All builds that are kept, the youngest first."""
    found = []
    for name in build_ids(store_root):
        try:
            found.append(_load(store_root, name))
        except (OSError, ValueError, KeyError):
            continue  # it is being collected, or was killed while it began
    return tuple(sorted(found, key=lambda trace: trace.started, reverse=True))


def build_ids(store_root: str) -> list[str]:
    """The builds that are kept, in no order."""
    try:
        names = os.listdir(builds_folder(store_root))
    except FileNotFoundError:
        return []
    return [name for name in names if name != LOGS]


def read_trace(store_root: str, identity: str = "") -> Trace:
    """The build whose ID begins so, "" for the last one; raises NoSuchBuild."""
    if not identity:
        found = traces(store_root)
        if not found:
            raise NoSuchBuild(
                "No build is remembered here.",
                hint="Builds that find all of their result in the cache leave no log.",
            )
        return found[0]
    names = [n for n in build_ids(store_root) if n.startswith(identity)]
    if len(names) == 1:
        try:
            return _load(store_root, names[0])
        except (OSError, ValueError, KeyError):
            names = []
    raise NoSuchBuild(
        f"{identity!r} stands for {len(names) or 'no'} builds.",
        hint="`lamina log` lists those that are kept.",
    )


def find_step(trace: Trace, wanted: str) -> StepTrace:
    """By number or by a part of its name; raises NoSuchBuild."""
    steps = [step for step in trace.steps if step.outcome != "base"]
    if wanted.isdecimal():
        found = [step for step in steps if step.index == int(wanted)]
    else:
        found = [step for step in steps if wanted in (step.name, f"[{step.stage}]")]
        found = found or [step for step in steps if wanted in step.name]
    if len(found) == 1:
        return found[0]
    raise NoSuchBuild(
        f"{wanted!r} stands for {len(found) or 'no'} steps of build {trace.id}.",
        hint=f"`lamina log {trace.id}` shows them with their numbers.",
    )


def is_running(folder: str) -> bool:
    """Whether the process that writes this build's journal is alive."""
    return _is_locked(folder, fcntl.LOCK_SH)


def is_in_use(folder: str) -> bool:
    """Whether somebody writes this build's journal, or is in its root."""
    return _is_locked(folder, fcntl.LOCK_EX)


def _is_locked(folder: str, kind: int) -> bool:
    """Whether somebody has a lock of the journal that keeps one of `kind` out."""
    try:
        descriptor = os.open(f"{folder}/{JOURNAL}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def log_of_key(store_root: str, key: str) -> str:
    """Where the log of a cache key's run lies, if it wrote anything."""
    return f"{builds_folder(store_root)}/{LOGS}/{key.rpartition(':')[2]}"


def _load(store_root: str, identity: str) -> Trace:
    folder = f"{builds_folder(store_root)}/{identity}"
    running = is_running(folder)
    with open(f"{folder}/{JOURNAL}", "rb") as file:
        lines = [json.loads(line) for line in file if line.endswith(b"\n")]
    if not lines:
        raise ValueError(f"{folder} has no journal")
    build: dict[str, Any] = lines[0]
    steps: dict[int, dict[str, Any]] = {}
    for line in lines[1:]:
        if "step" in line:
            steps.setdefault(line.pop("step"), {}).update(line)
        else:
            build.update(line)
    build.setdefault("outcome", "running" if running else "killed")
    build.setdefault("seconds", _until(folder, running) - build["started"])
    found = (_step(store_root, folder, n, fields) for n, fields in steps.items())
    root = f"{folder}/{ROOT}"
    build["root"] = root if os.path.isdir(root) else ""
    return Trace(steps=tuple(sorted(found, key=lambda s: s.index)), **build)


def _until(folder: str, running: bool) -> float:
    """The last sign of life of a build that has not said how it ended: now, or, where
    it was killed, when it or a step of it last wrote something."""
    if running:
        return time.time()
    names = (n for n in os.listdir(folder) if n == JOURNAL or n.endswith(".log"))
    return max(os.stat(f"{folder}/{name}").st_mtime for name in names)


def _step(
    store_root: str, folder: str, index: int, fields: dict[str, Any]
) -> StepTrace:
    name: str = fields.pop("name")
    stage = name[1:].partition("]")[0] if name.startswith("[") else ""
    known: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
    }
    log = f"{folder}/{index}.log"
    outcome = known.get("outcome", "")
    if outcome == "cached" or not os.path.exists(log):
        log = log_of_key(store_root, known.get("key", ""))
        found = outcome in ("cached", "done", "unchanged") and os.path.isfile(log)
        log = log if found else ""
    return StepTrace(index, stage, name, log=log, **known)
