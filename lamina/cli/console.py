"""Events to what people see: plain lines in a pipe, a live view on a terminal.

The live view is rich's, imported when the first step really runs: what is all cached
is said in plain lines on a terminal too.
"""

from __future__ import annotations

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
                self._print(f" \x1b[2m= {name}  cached\x1b[0m")
            case StepStarted(step, name):
                self._running[step] = (name, time.monotonic())
                self._start()
            case StepOutput(step, data):
                self._tails[step] = _tail(self._tails.get(step, [""]), data)
            case StepDone(step, name, seconds, changed):
                same = "" if changed else "  the same as before"
                self._end(step)
                self._print(f" \x1b[32m+\x1b[0m {name}  {seconds:.1f}s{same}")
            case StepFailed(step, name, seconds):
                self._end(step)
                self._print(f" \x1b[31mx {name}  {seconds:.1f}s\x1b[0m")
            case Note(text):
                self._print(f"   {text}")

    def _end(self, step: int) -> None:
        self._running.pop(step, None)
        self._tails.pop(step, None)

    def _print(self, line: str) -> None:
        if self._live is None:
            self._stream.write(line + "\n")
            self._stream.flush()
            return
        from rich.text import Text

        self._live.console.print(
            Text.from_ansi(line), no_wrap=True, overflow="ellipsis"
        )

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
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        lines = []
        for step, (name, began) in sorted(dict(self._running).items()):
            head = Text(f" > {name}  {now - began:.1f}s", style="bold", no_wrap=True)
            head.overflow = "ellipsis"
            lines.append(head)
            for line in self._tails.get(step, [])[-_SHOWN_LINES:]:
                tail = Text(f"     {line}", style="dim", no_wrap=True)
                tail.overflow = "ellipsis"
                lines.append(tail)
        return Group(*lines)


def _tail(lines: list[str], data: bytes) -> list[str]:
    """The last lines after `data`; the last one may still grow."""
    parts = printable(data).split("\n")
    merged = [*lines[:-1], lines[-1] + parts[0], *parts[1:]]
    return merged[-(_SHOWN_LINES + 1) :]
