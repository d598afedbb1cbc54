"""What the live view knows of a build: which steps run, what they said, the counts."""

from __future__ import annotations

from collections import deque

from lamina.builder.events import (
    ImageBuilt,
    Planned,
    StepCached,
    StepCancelled,
    StepDone,
    StepFailed,
    StepOutput,
    StepStarted,
    Transfer,
)
from lamina.cli.progress.lines import Lines, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Event

SHOWN_LINES = 6


class Running:
    """A step that runs: since when, and its last lines."""

    def __init__(self, name: str, began: float) -> None:
        self.name = name
        self.began = began
        self.lines = Lines()
        self._last: deque[str] = deque(maxlen=SHOWN_LINES)

    def add(self, data: bytes) -> None:
        """Take what it wrote; empty lines are not worth a place."""
        self._last.extend(self.lines.last(data, SHOWN_LINES))

    @property
    def tail(self) -> list[str]:
        """The last lines, and the one that has begun."""
        rest = self.lines.rest
        return [*self._last, rest][-SHOWN_LINES:] if rest.strip() else [*self._last]


class Moving:
    """A transfer that goes on."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.done = 0
        self.total = 0
        self.waits = False


class State:
    """Changed by events in the order in which they come."""

    def __init__(self, now: float) -> None:
        self.began = now
        self.planned = 0
        self.cached = 0
        # How many of them the caches of other machines knew.
        self.sources: dict[str, int] = {}
        self.ran = 0
        self.failed = 0
        self.cancelled = 0
        self.running: dict[int, Running] = {}
        self.transfers: dict[str, Moving] = {}
        self.images: list[ImageBuilt] = []

    def apply(self, event: Event, now: float) -> None:
        match event:
            case Planned(steps):
                self.planned = steps
            case StepCached(step):
                self.running.pop(step, None)
                self.cached += 1
                if event.source:
                    known = self.sources.get(event.source, 0)
                    self.sources[event.source] = known + 1
            case StepStarted(step, name):
                self.running[step] = Running(readable(name).replace("\n", " "), now)
            case StepOutput(step, data):
                if step in self.running:
                    self.running[step].add(data)
            case StepDone(step) | StepFailed(step) | StepCancelled(step):
                self.running.pop(step, None)
                # Making a base is no step of the recipe.
                self.ran += step >= 0 and not isinstance(event, StepCancelled)
                self.failed += isinstance(event, StepFailed)
                self.cancelled += isinstance(event, StepCancelled)
            case Transfer():
                self._move(event, now)
            case ImageBuilt():
                self.images.append(event)

    def _move(self, event: Transfer, now: float) -> None:
        moving = self.transfers.setdefault(event.what, Moving(now))
        moving.done, moving.total = event.done, event.total
        moving.waits = event.waits
        if event.is_over:
            del self.transfers[event.what]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is going on that could be drawn."""
        return not self.running and not self.transfers
