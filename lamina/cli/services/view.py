"""How it is told what becomes of a project: a line for each thing, as docker compose
has it; on a terminal each line changes in its place."""

from __future__ import annotations

import os
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from lamina.services.events import Event

_GREEN, _RED, _CYAN, _DIM, _OFF = (
    "\x1b[32m",
    "\x1b[31m",
    "\x1b[36m",
    "\x1b[2m",
    "\x1b[0m",
)


class Plain:
    """A line for each event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            text = f" {event.what} {event.name}  {event.doing}"
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is kept back."""


class Quiet:
    """Nothing but what has failed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        if event.failed:
            text = f" {event.what} {event.name}  {event.doing}"
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is kept back."""


class Block:
    """Lines that change in their place: what is done has a tick and its time."""

    def __init__(self, stream: TextIO, colour: bool) -> None:
        self._stream = stream
        self._colour = colour
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str], _Line] = {}
        self._drawn = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            key = (event.what, event.name)
            line = self._lines.get(key)
            if line is None or line.is_over:
                self._lines.pop(key, None)
                line = self._lines[key] = _Line(event)
            line.tell(event)
            self._draw()

    def close(self) -> None:
        """The lines stay as they are; what comes next begins a new block."""
        with self._lock:
            self._lines.clear()
            self._drawn = 0

    def _draw(self) -> None:
        columns, rows = _size()
        shown = list(self._lines.values())[-max(rows - 2, 1) :]
        done = sum(line.is_over for line in self._lines.values())
        head = f"[+] Running {done}/{len(self._lines)}"
        text = [f"\x1b[{self._drawn}A"] if self._drawn else []
        for line in (head, *(one.text(columns, self._colour) for one in shown)):
            text.append(f"\r{line}\x1b[K\n")
        self._drawn = len(shown) + 1
        self._stream.write("".join(text))
        self._stream.flush()


class _Line:
    """One thing, and how long it takes."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._began = time.monotonic()
        self._took = 0.0
        self.is_over = False

    def tell(self, event: Event) -> None:
        self._event = event
        self.is_over = event.done or event.failed
        self._took = time.monotonic() - self._began

    def text(self, columns: int, colour: bool) -> str:
        event = self._event
        mark, tint = "⠿", _CYAN
        if event.failed:
            mark, tint = "✘", _RED
        elif event.done:
            mark, tint = "✔", _GREEN
        name = f"{event.what} {event.name}"
        took = f"{self._took:.1f}s"
        room = max(columns - len(event.doing) - len(took) - 7, 8)
        name = name if len(name) <= room else f"{name[: room - 1]}…"
        if not colour:
            return f" {mark} {name}  {event.doing}  {took}"
        doing = f"{tint}{event.doing}{_OFF}"
        return f" {tint}{mark}{_OFF} {name}  {doing}  {_DIM}{took}{_OFF}"


View = Plain | Quiet | Block


def view(progress: str, environment: Mapping[str, str]) -> View:
    """What shows events, on stderr."""
    dumb = environment.get("TERM", "") in ("", "dumb")
    if progress == "quiet":
        return Quiet(sys.stderr)
    if progress == "tty" or (progress == "auto" and os.isatty(2) and not dumb):
        return Block(sys.stderr, not (dumb or environment.get("NO_COLOR")))
    return Plain(sys.stderr)


def _size() -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(2)
    except OSError:
        return 80, 24
    return columns or 80, rows or 24
