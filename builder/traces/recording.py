"""Recorder: writes a build's trace and the logs of its steps (builder/traces/trace.py).

It stands between the build and whoever shows it: each event goes on, and leaves a line
or its bytes on the way. What cannot be written (a full disk) is left out: no build
fails for its records.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time

from lamina.builder.events import (
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepStarted,
)
from lamina.builder.solving.graph import BaseOp, RunOp
from lamina.builder.traces.retention import collect, pin_owner
from lamina.builder.traces.trace import (
    JOURNAL,
    LOGS,
    ROOT,
    builds_folder,
    log_of_key,
)
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.builder.events import Emit, Event
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.solving.graph import Graph, Step
    from lamina.builder.solving.work import Work
    from lamina.oci.store.store import Store

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


class Recorder:
    """Call it with events, from any thread; nothing is written before `begin`."""

    def __init__(self, store: Store, inputs: BuildInputs, emit: Emit) -> None:
        self.id = os.urandom(6).hex()
        # The steps that failed, in the order in which they did.
        self.failed: list[int] = []
        self._store = store
        self._inputs = inputs
        self._emit = emit
        self._folder = f"{builds_folder(store.root)}/{self.id}"
        self._opened = time.monotonic()
        self._journal = -1
        self._logs: dict[int, int] = {}
        self._keys: dict[int, str] = {}
        self._has_root = False

    def begin(self, graph: Graph) -> None:
        """Open the journal with the plan."""
        inputs = self._inputs
        about = {
            "id": self.id,
            "started": time.time(),
            "recipe": _recipe_name(inputs),
            "target": ", ".join(inputs.targets),
            "platform": ", ".join(inputs.platforms) or inputs.platform,
            "context": inputs.context,
            "ignore": inputs.ignore.decode(errors="surrogateescape"),
        }
        lines = [about, *map(_planned, graph.steps)]
        with contextlib.suppress(OSError, LaminaError):
            collect(self._store)
        with contextlib.suppress(OSError):
            os.makedirs(f"{builds_folder(self._store.root)}/{LOGS}", 0o700, True)
            os.mkdir(self._folder, 0o700)
            journal = os.open(f"{self._folder}/{JOURNAL}", _NEW, 0o600)
            fcntl.flock(journal, fcntl.LOCK_EX)
            self._journal = journal
            self._write(*lines)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _: object) -> None:
        """Say how the build ended, and in its error where to look."""
        if self._journal < 0:
            return
        outcome = "built"
        if error is not None:
            outcome = "failed" if isinstance(error, LaminaError) else "cancelled"
        self._write(
            {"outcome": outcome, "seconds": self._now(), "error": str(error or "")}
        )
        for log in self._logs.values():
            os.close(log)
        os.close(self._journal)
        self._journal = -1
        if isinstance(error, LaminaError) and self.failed:
            hints = (error.hint, self._ways_on())
            error.build = self.id
            error.hint = "\n        ".join(hint for hint in hints if hint)

    def __call__(self, event: Event) -> None:
        if self._journal >= 0:
            with contextlib.suppress(OSError):
                self._note(event)
        self._emit(event)

    def keep_root(self, work: Work, upper: str) -> None:
        """Keep what a failed step changed, one for each build, and the layers that it
        stands on."""
        if self._journal < 0 or self._has_root:
            return
        self._has_root = True
        layers = {*work.below, *(c for chain in work.origins.values() for c in chain)}
        with contextlib.suppress(OSError, LaminaError):
            self._store.pin(pin_owner(self.id), layers)
            os.rename(upper, f"{self._folder}/{ROOT}")

    def _ways_on(self) -> str:
        step = self.failed[0]
        ways = []
        if step in self._logs:
            ways.append(f"all that it wrote: lamina log {self.id} {step}")
        if self._has_root:
            ways.append(f"see for yourself: lamina shell {self.id}")
        text = "; ".join(ways)
        return text[:1].upper() + text[1:]

    def _now(self) -> float:
        return round(time.monotonic() - self._opened, 6)

    def _write(self, *lines: dict[str, Any]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with contextlib.suppress(OSError):
            os.write(self._journal, text.encode())

    def _note(self, event: Event) -> None:
        match event:
            case StepOutput(step, data):
                self._log(step, data)
            case StepCached(step, _, key, layers):
                self._step(step, outcome="cached", key=key, layers=layers)
            case StepMissed(step, _, reasons):
                self._step(step, reasons=reasons)
            case StepStarted(step, _, key):
                self._keys[step] = key
                self._step(step, outcome="running", key=key, began=self._now())
            case StepDone(step, _, seconds, changed, layers):
                outcome = "done" if changed else "unchanged"
                size = sum(map(self._size, layers))
                self._publish_log(step)
                self._step(
                    step, outcome=outcome, seconds=seconds, layers=layers, size=size
                )
            case StepFailed(step, _, seconds):
                self.failed.append(step)
                self._step(step, outcome="failed", seconds=seconds)
            case StepCancelled(step, _, seconds):
                self._step(step, outcome="cancelled", seconds=seconds)

    def _step(self, step: int, **fields: object) -> None:
        self._write({"step": step, **fields})

    def _size(self, content: str) -> int:
        layer = self._store.layer(content)
        return layer.bytes if layer is not None else 0

    def _log(self, step: int, data: bytes) -> None:
        """To the step's file at once: nothing is lost with this process."""
        log = self._logs.get(step)
        if log is None:
            path = f"{self._folder}/{step}.log"
            log = self._logs[step] = os.open(path, _NEW, 0o600)
        os.write(log, data)

    def _publish_log(self, step: int) -> None:
        """From now on this is the log of the step's cache key."""
        known = log_of_key(self._store.root, self._keys[step])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(known)
        log = self._logs.pop(step, None)
        if log is not None:
            os.close(log)
            os.link(f"{self._folder}/{step}.log", known)


def _recipe_name(inputs: BuildInputs) -> str:
    """Where the recipe is; of one that was fetched, what it was called there."""
    recipe = inputs.recipe
    return recipe.name if inputs.elsewhere else recipe.path or recipe.name


def _planned(step: Step) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "step": step.index,
        "name": step.name,
        "place": str(step.span) if step.span else "",
        "inputs": step.inputs,
        "parent": step.parent,
    }
    operation = step.operation
    if isinstance(operation, BaseOp):
        return {**fields, "outcome": "base", "layers": operation.layers}
    if isinstance(operation, RunOp):
        parts = ("scripts", "mounts")
        told = {name: [p.__dict__ for p in getattr(operation, name)] for name in parts}
        fields["run"] = {**operation.__dict__, **told}
    return fields
