"""Plain progress, as BuildKit's `--progress=plain` writes it and its readers expect."""

from __future__ import annotations

import threading
import time

from lamina.builder.events import (
    CacheWritten,
    ImageBuilt,
    Note,
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepOutput,
    StepStarted,
    Transfer,
)
from lamina.cli.progress.lines import Lines, cache_line, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from lamina.builder.events import Event

# How often (in seconds) a transfer that goes on is told.
_OFTEN = 5.0


class Plain:
    """`#7 [web 2/5] RUN make`, `#7 0.345 output`, `#7 DONE 1.2s`, `#7 CACHED`."""

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = clock()
        self._began: dict[int, float] = {}
        self._output: dict[int, Lines] = {}
        self._told: dict[str, float] = {}
        self._cached = 0
        self._ran = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            lines = self._lines(event)
            if lines:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()

    def close(self, outcome: str = "") -> None:
        self._stream.flush()

    def _lines(self, event: Event) -> list[str]:
        match event:
            case StepCached(step, name):
                self._cached += 1
                end = f"CACHED from {_line(event.source)}" if event.source else "CACHED"
                started = self._output.pop(step, None) is not None
                head = [] if started else [f"#{_number(step)} {_line(name)}"]
                return [*head, f"#{_number(step)} {end}"]
            case StepStarted(step, name):
                self._began[step] = self._clock()
                self._output[step] = Lines()
                return [f"#{_number(step)} {_line(name)}"]
            case StepOutput(step, data):
                return self._said(step, self._lines_of(step).add(data))
            case StepDone() | StepFailed() | StepCancelled():
                return self._ended(event)
            case StepMissed(step, _, reasons):
                return [f"#{_number(step)} MISSED {_line(given)}" for given in reasons]
            case _:
                return self._other(event)

    def _other(self, event: Event) -> list[str]:
        """The lines of what is about no step."""
        match event:
            case Note(text):
                return [readable(text)]
            case Transfer():
                return self._transfer(event)
            case ImageBuilt():
                return [self._image(event)]
            case CacheWritten():
                return [cache_line(event)]
            case _:
                return []

    def _ended(self, event: StepDone | StepFailed | StepCancelled) -> list[str]:
        self._ran += 1
        rest = self._said(event.step, self._lines_of(event.step).end())
        self._output.pop(event.step, None)
        if isinstance(event, StepFailed):
            end = f"FAILED {event.seconds:.1f}s"
        elif isinstance(event, StepCancelled):
            end = f"CANCELED {event.seconds:.1f}s"
        else:
            same = "" if event.changed else ", the same as before"
            end = f"DONE {event.seconds:.1f}s{same}"
        return [*rest, f"#{_number(event.step)} {end}"]

    def _lines_of(self, step: int) -> Lines:
        return self._output.setdefault(step, Lines())

    def _said(self, step: int, lines: list[str]) -> list[str]:
        now = self._clock()
        seconds = now - self._began.get(step, now)
        return [f"#{_number(step)} {seconds:.3f} {line}" for line in lines]

    def _transfer(self, event: Transfer) -> list[str]:
        from lamina.cli.formats.tables import human_size

        now = self._clock()
        what = _line(event.what)
        began = self._told.setdefault(event.what, now)
        done = human_size(event.done)
        if event.is_over:
            del self._told[event.what]
            return [f"{what}: {done} done"] if event.done else []
        if now - began < _OFTEN:
            return []
        self._told[event.what] = now
        if event.waits:
            return [f"{what}: waiting"]
        total = f" / {human_size(event.total)}" if event.total else ""
        return [f"{what}: {done}{total}"]

    def _image(self, event: ImageBuilt) -> str:
        from lamina.cli.formats.tables import human_size

        took = self._clock() - self._opened
        counts = f"{self._ran} ran, {self._cached} cached"
        size = human_size(event.bytes)
        return f"built {event.name} {event.id} {size} in {took:.1f}s: {counts}"


def _line(text: str) -> str:
    return readable(text).replace("\n", " ")


def _number(step: int) -> int:
    """What is done before there is a graph, as making a base, has the number 0."""
    return max(0, step)
