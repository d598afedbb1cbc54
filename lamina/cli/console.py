"""Events to what people see: plain lines in a pipe, a live view on a terminal.

The live view is rich's, imported when the first step really runs: what is all cached
is said in plain lines on a terminal too.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from lamina.builder.events import (
    Note,
    Planned,
    StepCached,
    StepDone,
    StepFailed,
    StepOutput,
    StepStarted,
)
from lamina.builder.output import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TextIO

    from rich.console import Group
    from rich.live import Live

    from lamina.builder.events import Event

    class Console(Protocol):
        """Shows events; `close` leaves the terminal as it was."""

        def __call__(self, event: Event) -> None: ...

        def close(self) -> None: ...


_SHOWN_LINES = 6
# The blanks and the sign of a step's line.
_AROUND = 5
# Of a terminal that does not tell.
_SIZE = os.terminal_size((80, 24))


def console(progress: str, stream: TextIO = sys.stderr) -> Console:
    """`progress` is auto, tty, plain or quiet."""
    if progress == "quiet":
        return Quiet()
    if progress == "tty" or (progress == "auto" and stream.isatty()):
        return Terminal(stream)
    return Plain(stream)


class Quiet:
    """Shows nothing."""

    def __call__(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


class Plain:
    """BuildKit's plain form: `#7 [web 2/5] RUN make`, `#7 0.345 output`, `#7 DONE`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._began: dict[int, float] = {}
        self._partial: dict[int, bytes] = {}

    def __call__(self, event: Event) -> None:
        lines = self._lines(event)
        if lines:
            with self._lock:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()

    def close(self) -> None:
        self._stream.flush()

    def _lines(self, event: Event) -> list[str]:
        match event:
            case StepCached(step, name):
                return [f"#{step} {name}", f"#{step} CACHED"]
            case StepStarted(step, name):
                self._began[step] = time.monotonic()
                return [f"#{step} {name}"]
            case StepOutput(step, data):
                return self._output(step, data)
            case StepDone(step, _, seconds, changed):
                same = "" if changed else ", the same as before"
                return [*self._rest(step), f"#{step} DONE {seconds:.1f}s{same}"]
            case StepFailed(step, _, seconds):
                return [*self._rest(step), f"#{step} FAILED {seconds:.1f}s"]
            case Note(text):
                return [text]
            case _:
                return []

    def _output(self, step: int, data: bytes) -> list[str]:
        *whole, rest = (self._partial.get(step, b"") + data).split(b"\n")
        self._partial[step] = rest
        seconds = time.monotonic() - self._began.get(step, time.monotonic())
        return [f"#{step} {seconds:.3f} {printable(line)}" for line in whole]

    def _rest(self, step: int) -> list[str]:
        """The last line, where the step did not end it itself."""
        rest = self._partial.pop(step, b"")
        return self._output(step, rest + b"\n") if rest else []


class Terminal:
    """A line for each step; under those that run, the last lines they wrote."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._running: dict[int, tuple[str, float]] = {}
        self._tails: dict[int, list[str]] = {}
        self._steps = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._show(event)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, event: Event) -> None:
        match event:
            case Planned(steps):
                self._steps = steps
            case StepCached(_, name):
                self._print("=", name, "cached", dim=True)
            case StepStarted(step, name):
                self._running[step] = (name, time.monotonic())
                self._start()
            case StepOutput(step, data):
                self._tails[step] = _tail(self._tails.get(step, [""]), data)
            case StepDone(step, name, seconds, changed):
                same = "" if changed else "  the same as before"
                self._end(step)
                self._print("\x1b[32m+\x1b[0m", name, f"{seconds:.1f}s{same}")
            case StepFailed(step, name, seconds):
                self._end(step)
                self._print("\x1b[31mx\x1b[0m", name, f"{seconds:.1f}s")
            case Note(text):
                self._write(f"   {text}")

    def _end(self, step: int) -> None:
        self._running.pop(step, None)
        self._tails.pop(step, None)

    def _print(self, sign: str, name: str, end: str, *, dim: bool = False) -> None:
        """A line about a step; a long name is cut, what ends the line never is."""
        line = f" {sign} {_fitted(name, self._size()[0] - len(end) - _AROUND)}  {end}"
        self._write(f"\x1b[2m{line}\x1b[0m" if dim else line)

    def _write(self, line: str) -> None:
        if self._live is None:
            self._stream.write(line + "\n")
            self._stream.flush()
            return
        from rich.text import Text

        # First what runs now, or the step that ended is drawn below its own end.
        self._live.refresh()
        self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def _size(self) -> os.terminal_size:
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _SIZE
        return found if all(found) else _SIZE

    def _start(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console as RichConsole
        from rich.live import Live

        rich = RichConsole(file=self._stream, force_terminal=True, highlight=False)
        self._live = Live(
            get_renderable=self._render,
            console=rich,
            refresh_per_second=10,
            transient=True,
        )
        self._live.start()

    def _render(self) -> Group:
        from rich.console import ConsoleDimensions, Group
        from rich.text import Text

        width, height = self._size()
        if self._live is not None:
            # rich asks the standard streams, which need not be this terminal.
            self._live.console.size = ConsoleDimensions(width, height)
        now = time.monotonic()
        running = sorted(dict(self._running).items())
        # All that run have to fit; a screen that is too small shows less of each.
        shown = min(_SHOWN_LINES, (height - 1) // max(1, len(running)) - 1)
        lines = []
        for step, (name, began) in running:
            took = f"{now - began:.1f}s"
            head = _fitted(name, width - len(took) - _AROUND)
            lines.append(Text(f" > {head}  {took}", style="bold", no_wrap=True))
            tail = [line for line in self._tails.get(step, []) if line.strip()]
            for line in tail[-shown:] if shown > 0 else ():
                text = Text(f"     {line}", style="dim", no_wrap=True)
                text.overflow = "ellipsis"
                lines.append(text)
        return Group(*lines)


def _tail(lines: list[str], data: bytes) -> list[str]:
    """The last lines after `data`; the last one may still grow."""
    parts = printable(data).split("\n")
    merged = [*lines[:-1], lines[-1] + parts[0], *parts[1:]]
    return merged[-2 * _SHOWN_LINES :]


def _fitted(text: str, width: int) -> str:
    """`text` in `width` columns of a terminal, cut at its end where it is longer."""
    if sum(map(_columns, text)) <= width:
        return text
    room = width - 1
    kept = []
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept.append(character)
    return f"{''.join(kept)}…"


def _columns(character: str) -> int:
    """How wide a terminal draws it (Unicode Standard Annex 11)."""
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
