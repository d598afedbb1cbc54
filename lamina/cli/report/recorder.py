"""Recorder: listens to a build and keeps what its report is made of."""

from __future__ import annotations

import contextlib
import os
import threading
import time

from lamina.builder.events import (
    ImageBuilt,
    Note,
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepPlanned,
    StepStarted,
)
from lamina.builder.ops.output import printable
from lamina.cli.drawing.model import split_name
from lamina.cli.report.page import write_page
from lamina.cli.report.view import BuildView, StepView, image_view
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.builder.events import Emit, Event
    from lamina.builder.inputs.build import BuildInputs
    from lamina.oci.store.store import Store

# Of each step's output the last bytes are kept: the page is to be sent by mail.
_LOG = 1 << 17


class Recorder:
    """Give it the events; `view` is what it saw. Threads may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._opened = clock()
        self._started = time.time()
        self._lock = threading.Lock()
        self._steps: dict[int, StepView] = {}
        self._logs: dict[int, bytearray] = {}
        self._left_out: dict[int, int] = {}
        self._keys: dict[int, str] = {}
        self._layers: dict[int, tuple[str, ...]] = {}
        self._images: list[ImageBuilt] = []
        self._notes: list[str] = []

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case StepPlanned(step, name, inputs, span, base):
                    outcome = "base" if base else ""
                    named = split_name(name)
                    place = str(span) if span else ""
                    self._steps[step] = StepView(step, *named, inputs, outcome, place)
                case StepOutput(step, data):
                    self._write(step, data)
                case ImageBuilt():
                    self._images.append(event)
                case Note(text):
                    self._notes.append(text)
                case _:
                    self._step(event)

    def _step(self, event: Event) -> None:
        match event:
            case StepCached(step, name):
                known = (f"known by {event.source}",) if event.source else ()
                self._change(step, name, outcome="cached", reasons=known)
                self._keys[step], self._layers[step] = event.key, event.layers
            case StepMissed(step, name, reasons):
                self._change(step, name, reasons=reasons)
            case StepStarted(step, name):
                now = self._clock() - self._opened
                self._change(step, name, began=now, outcome="cancelled")
            case StepDone(step, name, seconds, changed):
                outcome = "done" if changed else "unchanged"
                self._layers[step] = event.layers
                self._change(step, name, seconds=seconds, outcome=outcome)
            case StepFailed(step, name, seconds):
                self._change(step, name, seconds=seconds, outcome="failed")
            case StepCancelled(step, name, seconds):
                self._change(step, name, seconds=seconds, outcome="cancelled")

    def _change(self, step: int, name: str, **changes: object) -> None:
        found = self._steps.get(step) or StepView(step, *split_name(name), ())
        self._steps[step] = replace(found, **changes)

    def _write(self, step: int, data: bytes) -> None:
        log = self._logs.setdefault(step, bytearray())
        log += data
        if len(log) > 2 * _LOG:
            self._left_out[step] = self._left_out.get(step, 0) + len(log) - _LOG
            del log[:-_LOG]

    def view(
        self, store: Store, inputs: BuildInputs, error: LaminaError | None
    ) -> BuildView:
        """All of it, with what fills the images' layers."""
        with self._lock:
            seconds = self._clock() - self._opened
            steps = tuple(
                self._whole(step, store) for _, step in sorted(self._steps.items())
            )
        return BuildView(
            title=_title(inputs.context, inputs.recipe.name),
            recipe=inputs.recipe.name,
            target=", ".join(inputs.targets),
            platform=inputs.platform,
            started=self._started,
            seconds=seconds,
            outcome="failed" if error else "built",
            steps=steps,
            images=tuple(image_view(store, i.name, i.id) for i in self._images),
            notes=tuple(self._notes),
            error=_told(error) if error else "",
        )

    def _whole(self, step: StepView, store: Store) -> StepView:
        """With what it wrote (of a cached one: when it ran), and its layer's size."""
        log = bytes(self._logs.get(step.index, b""))
        left_out = self._left_out.get(step.index, 0)
        if step.outcome == "cached":
            log, left_out = _kept(store, self._keys.get(step.index, ""))
        found = map(store.layer, self._layers.get(step.index, ()))
        size = sum(layer.bytes for layer in found if layer is not None)
        return replace(step, log=printable(log), left_out=left_out, bytes=size)


def _kept(store: Store, key: str) -> tuple[bytes, int]:
    """The end of the log of the run that the cache holds; how much comes before."""
    from lamina.builder.traces.trace import log_of_key

    try:
        with open(log_of_key(store.root, key), "rb") as file:
            before = max(0, file.seek(0, os.SEEK_END) - _LOG)
            file.seek(before)
            return file.read(_LOG), before
    except OSError:
        return b"", 0


@contextlib.contextmanager
def recorded(
    path: str, store: Store, inputs: BuildInputs, emit: Emit
) -> Iterator[Emit]:
    """Events of the block go to `emit` and into a page at `path`, how ever it ends.

    Raises LaminaError where the page cannot be written; a build that failed is told
    rather than that.
    """
    recorder = Recorder()

    def both(event: Event) -> None:
        recorder(event)
        emit(event)

    try:
        yield both
    except LaminaError as error:
        with contextlib.suppress(OSError):
            write_page(recorder.view(store, inputs, error), path)
        raise
    try:
        write_page(recorder.view(store, inputs, None), path)
    except OSError as error:
        raise LaminaError(
            f"The report {path!r} cannot be written: {error.strerror}.",
            hint="The image is built; name another place with --report.",
        ) from error


def _title(context: str, recipe: str) -> str:
    name = os.path.basename(recipe)
    return f"{os.path.basename(context)}/{name}" if context else name


def _told(error: LaminaError) -> str:
    lines = [error.message, error.place, error.excerpt, error.hint]
    return "\n".join(line for line in lines if line)
