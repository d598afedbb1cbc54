"""The board: what the screen of watching knows, and its rows. Nothing is drawn here."""

from __future__ import annotations

from collections import deque

from lamina.builder.events import StepDone, StepMissed, StepStarted
from lamina.cli.progress.lines import Lines, readable
from lamina.cli.progress.state import State
from lamina.cli.progress.style import Style, seconds
from lamina.cli.watching.events import (
    Begun,
    Ended,
    Exited,
    Failed,
    Limited,
    Serves,
    Synced,
    Watching,
    Wrote,
)
from lamina.cli.watching.plain import error_lines, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.events import Event as BuildEvent
    from lamina.cli.watching.events import Event

# So many lines of containers are kept.
_KEPT = 2000
_KEYS = "r rebuild  R rerun  s shell  e explain  o open  q quit"
_BUILDING, _SERVING, _STALE, _BROKEN, _IDLE = range(5)


class Board:
    """Changed by events in the order in which they come."""

    def __init__(self, now: float) -> None:
        self.log: deque[str] = deque(maxlen=_KEPT)
        self.explains = False
        self.message = ""
        self._streams: dict[str, Lines] = {}
        self._build = State(now)
        self._building = False
        self._began = now
        self._serves: Serves | None = None
        self._ended: Ended | None = None
        self._saved = ""
        self._error: tuple[str, ...] = ()
        self._reasons: list[str] = []
        self._watching = ""

    def apply(self, event: Event | BuildEvent, now: float) -> None:
        """Take notice of an event."""
        match event:
            case Begun():
                self._begin(event, now)
            case Ended():
                self._end(event)
            case Failed():
                self._error = tuple(error_lines(event))
                if not event.serving:
                    self._serves = None
            case Limited() | Synced():
                self.message = told(event)
            case Watching():
                self._watching = told(event)
            case Wrote() | Serves() | Exited():
                self._see(event)
            case _:
                self._hear(event, now)

    def _see(self, event: Wrote | Serves | Exited) -> None:
        """Something happens to a container."""
        match event:
            case Wrote(stream, data):
                lines = self._streams.setdefault(stream, Lines())
                self.log.extend(lines.add(data))
            case Serves():
                self._serves = event
            case Exited():
                self._serves = None
                self.message = told(event)

    def _end(self, event: Ended) -> None:
        self._building = False
        if event.outcome not in ("unchanged", "cancelled"):
            self._ended = event
        if event.outcome not in ("failed", "cancelled"):
            self._error = ()

    def _begin(self, event: Begun, now: float) -> None:
        self._build = State(now)
        self._building, self._began = True, now
        self._saved = told(event)
        self._reasons = []
        self.message = ""

    def _hear(self, event: BuildEvent, now: float) -> None:
        self._build.apply(event, now)
        match event:
            case StepMissed(_, name, reasons):
                said = "; ".join(reasons) or "nothing like it ran before"
                self._reasons.append(readable(f"{name}: {said}"))
            case StepStarted(_, name) if not self._reasons_of(name):
                self._reasons.append(readable(name))
            case StepDone(_, name, took):
                self._reasons.append(f"  took {seconds(took)}: {readable(name)}")

    def _reasons_of(self, name: str) -> bool:
        return any(text.startswith(readable(name)) for text in self._reasons)

    @property
    def state(self) -> int:
        """What is the matter, worst first."""
        if self._building:
            return _BUILDING
        if self._error:
            return _STALE if self._serves else _BROKEN
        return _SERVING if self._serves else _IDLE

    def rows(self, style: Style, size: tuple[int, int], now: float) -> list[str]:
        """All rows of a terminal of `size` (columns, rows), none too wide."""
        width, height = size
        head = [self._title(style, width), self._last(style, width)]
        if self.explains:
            reasons = self._reasons or ["no step ran"]
            head += [style.fitted(f"   {text}", width) for text in reasons]
        elif self._error and not self._building:
            head += [style.fitted(f"   {text}", width) for text in self._error]
        elif self._building:
            head += self._running(style, width, now)
        head = head[: max(2, height - 6)]
        foot = self.message or _KEYS
        head.append(style.paint(style.fitted(f"   {foot}", width), "dim"))
        head.append(style.paint(style.signs.bar[1] * width, "dim"))
        head = head[:height]
        room = height - len(head)
        log = [*self.log][-room:] if room else []
        return head + [style.fitted(line.expandtabs(8), width) for line in log]

    def _title(self, style: Style, width: int) -> str:
        sign, word, colour = {
            _BUILDING: (style.signs.running, "building", "yellow"),
            _SERVING: (style.signs.done, "serving", "green"),
            _STALE: (style.signs.failed, "failed, the one before serves", "red"),
            _BROKEN: (style.signs.failed, "failed", "red"),
            _IDLE: (style.signs.cached, "waiting for a save", "bold"),
        }[self.state]
        text = f" {sign} {word}"
        if self._serves is not None:
            text += f"  {self._serves.name} ({self._serves.container[:12]})"
            text += "".join(f"  {port}" for port in self._serves.ports)
        return style.paint(style.fitted(readable(text), width), colour)

    def _last(self, style: Style, width: int) -> str:
        text = self._watching
        if self._ended is not None:
            text = told(self._ended)
        if self._saved:
            text += f"  ({self._saved})"
        return style.fitted(f"   {text}", width)

    def _running(self, style: Style, width: int, now: float) -> list[str]:
        rows = [
            f"   {style.signs.running} {seconds(now - step.began):>6}  {step.name}"
            for step in self._build.running.values()
        ]
        rows = rows or [f"   {seconds(now - self._began)}"]
        return [style.fitted(row, width) for row in rows]
