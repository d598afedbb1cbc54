"""The live view: what runs is drawn below, what is done moves up and stays.

A thread draws, ten times a second and only once a step has run for a while: a build
that is quick, or all cached, writes its few lines and neither draws nor imports.
"""

from __future__ import annotations

import threading
import time

from lamina.builder.events import (
    CacheWritten,
    Note,
    StepCancelled,
    StepDone,
    StepFailed,
    StepMissed,
    StepStarted,
    Transfer,
)
from lamina.cli.progress.lines import cache_line, readable
from lamina.cli.progress.outcome import CANCELLED, FAILED
from lamina.cli.progress.screen import Screen
from lamina.cli.progress.state import State
from lamina.cli.progress.style import Style, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from lamina.builder.events import Event
    from lamina.cli.progress.frame import Frame

_PATIENCE = 0.2
_INTERVAL = 0.1
# A transfer that took longer is worth a line that stays.
_LONG_TRANSFER = 1.0
# Columns before the name of a step that is done.
_BEFORE_NAME = 12


class Terminal:
    """A line for each step that ran; under those that run, the last they wrote."""

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = Screen(stream)
        self._style = Style(stream, colour=colour)
        self._clock = clock
        self._state = State(clock())
        self._lock = threading.Lock()
        self._above: list[str] = []
        self._drawing: threading.Thread | None = None
        self._is_live = False
        self._closing = threading.Event()
        self._summed = False

    def __call__(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            line = self._line(event, now)
            self._state.apply(event, now)
            self._above += [line] if line else []
            if not self._is_live:
                self._say()
            if isinstance(event, StepStarted | Transfer) and self._drawing is None:
                self._start()

    def close(self, outcome: str = FAILED) -> None:
        """Give the terminal back; another event would begin to draw again."""
        self._closing.set()
        if self._drawing is not None:
            self._drawing.join()
            self._drawing = None
        with self._lock:
            self._is_live = False
            self._above += self._summary(outcome)
            self._say()

    def _start(self) -> None:
        self._closing.clear()
        self._drawing = threading.Thread(
            target=self._draw, name="lamina-screen", daemon=True
        )
        self._drawing.start()

    def _draw(self) -> None:
        if self._closing.wait(_PATIENCE):
            return
        from lamina.cli.progress.frame import Frame

        frame = Frame(self._style)
        while not self._closing.wait(_INTERVAL):
            try:
                self._redraw(frame)
            except OSError:
                return  # the terminal is gone; the build need not be

    def _redraw(self, frame: Frame) -> None:
        with self._lock:
            self._is_live = True
            columns, rows = self._screen.size()
            above, self._above = self._above, []
            lines = []
            if not self._state.is_idle:
                lines = frame.lines(self._state, (columns, rows), self._clock())
            self._screen.draw(lines, above, columns)

    def _say(self) -> None:
        above, self._above = self._above, []
        self._screen.say(above)

    def _line(self, event: Event, now: float) -> str:
        """What is said of an event once and for all; "" for nothing."""
        match event:
            case StepDone(_, name, took, changed):
                sign = self._style.paint(self._style.signs.done, "green")
                return self._step(sign, took, name, "" if changed else "  same result")
            case StepFailed(_, name, took):
                sign = self._style.paint(self._style.signs.failed, "red")
                return self._step(sign, took, name)
            case StepCancelled(_, name, took):
                return self._step(" ", took, name, "  cancelled")
            case StepMissed(_, name, reasons) if reasons:
                text = f" ? {name}: {'; '.join(reasons)}"
                width = self._screen.size().columns
                return self._style.paint(self._fitted(text, width), "dim")
            case Note(given):
                text = readable(given)
                return (
                    f"   {self._style.paint(text, 'yellow') if event.warns else text}"
                )
            case Transfer():
                return self._transfer(event, now)
            case CacheWritten():
                return f"   {cache_line(event)}"
            case _:
                return ""

    def _step(self, sign: str, took: float, name: str, end: str = "") -> str:
        """A line about a step; a long name is cut, what ends the line never is."""
        width = self._screen.size().columns - _BEFORE_NAME - len(end)
        head = f" {sign} {seconds(took):>7}  {self._fitted(name, width)}"
        return head + self._style.paint(end, "dim")

    def _transfer(self, event: Transfer, now: float) -> str:
        from lamina.cli.formats.tables import human_size

        moving = self._state.transfers.get(event.what)
        if moving is None or not event.is_over or not event.done:
            return ""
        took = now - moving.began
        if took < _LONG_TRANSFER:
            return ""
        sign = self._style.paint(self._style.signs.transfer, "green")
        return self._step(sign, took, f"{event.what}  {human_size(event.done)}")

    def _fitted(self, text: str, width: int) -> str:
        return self._style.fitted(readable(text).replace("\n", " "), width)

    def _summary(self, outcome: str) -> list[str]:
        """How it ended: what was cached, each image, its size, and the time."""
        from lamina.cli.formats.tables import human_size

        state, style = self._state, self._style
        shown = state.planned or state.images or outcome == CANCELLED
        if self._summed or not shown:
            return []
        self._summed = True
        lines = []
        if state.cached:
            line = f" {style.signs.cached} {_steps(state.cached)} cached"
            for source, count in state.sources.items():
                line += f", {count} from {readable(source)}"
            lines.append(line)
        sign = style.paint(style.signs.done, "green")
        lines += [
            f" {sign} {image.name}  {image.id[:19]}  {human_size(image.bytes)}"
            for image in state.images
        ]
        took = seconds(self._clock() - state.began)
        ran = f", {_steps(state.ran)} ran" if state.ran else ""
        if state.images:
            lines[-1] += style.paint(f"  in {took}{ran}", "dim")
        else:
            sign = style.paint(style.signs.failed, "red")
            lines.append(f" {sign} {outcome} after {took}{ran}")
        return lines


def _steps(number: int) -> str:
    return f"{number} step" if number == 1 else f"{number} steps"
