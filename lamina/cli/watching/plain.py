"""Plain lines of watching, for what is no terminal.

watching 2 folders and 3 files
saved app/main.py
#5 [2/3] COPY app /srv
#5 DONE 0.0s
built 1a2b3c4d5e6f in 31 ms: event 8, hash 14, layer 9
"""

from __future__ import annotations

import sys
import threading

from lamina.builder.events import ImageBuilt, Note, StepCached
from lamina.cli.progress.lines import readable
from lamina.cli.progress.plain import Plain
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
from lamina.errors import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from lamina.builder.events import Event as BuildEvent
    from lamina.cli.watching.events import Event

_MOST_PATHS = 3
_WORTH = Failed | Limited | Exited | Wrote


class PlainView:
    """Writes lines as they come. What was cached, and notes that each build tells, are
    written for the first round alone; `quiet`: only what is wrong, and what containers
    write."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._lock = threading.Lock()
        self._build = Plain(stream)
        self._first = True

    def __call__(self, event: Event | BuildEvent) -> None:
        if self._quiet and not isinstance(event, _WORTH):
            return
        with self._lock:
            lines = self._lines(event)
            if lines is None:
                self._build(event)  # type: ignore[arg-type]
            elif lines:
                # A program that is typed into may have the terminal raw.
                end = "\r\n" if self._stream.isatty() else "\n"
                self._stream.write("".join(f"{line}{end}" for line in lines))
                self._stream.flush()

    def close(self) -> None:
        self._build.close()

    def _pass_on(self, stream: str, data: bytes) -> None:
        """What a container writes goes where its own streams would."""
        out = sys.stdout if stream == "stdout" else sys.stderr
        out.buffer.write(data)
        out.buffer.flush()

    def _lines(self, event: Event | BuildEvent) -> list[str] | None:
        """The lines of an event; None for one that a build tells."""
        match event:
            case Watching() | Begun() | Limited() | Synced() | Serves() | Exited():
                return [sentence] if (sentence := told(event)) else []
            case Ended():
                self._first = False
                self._build = Plain(self._stream)
                return [told(event)]
            case Failed():
                return error_lines(event)
            case Wrote(stream, data):
                self._pass_on(stream, data)
                return []
            case StepCached() | Note() | ImageBuilt():
                return None if self._first else []
        return None


def told(
    event: Watching | Begun | Limited | Ended | Synced | Serves | Exited,
) -> str:
    """An event in one line, "" where there is nothing to say."""
    match event:
        case Watching(folders, files):
            return f"watching {_number(folders, 'folder')} and {_number(files, 'file')}"
        case Begun(_, paths, everything):
            if everything and not paths:
                return "" if event.round == 1 else "looking at everything"
            return readable(f"saved {_some(paths)}")
        case Synced(files):
            return f"{_number(files, 'file')} written into the container"
        case Limited(text):
            return f"warning: {text}"
        case Serves(container, name, ports):
            where = f" at {', '.join(ports)}" if ports else ""
            return f"{name} ({container[:12]}) runs{where}"
        case Exited(container, code):
            return f"{container[:12]} has ended with exit code {code}"
        case Ended(_, outcome, image):
            head = outcome
            if image and outcome != "unchanged":
                head += f" {image.removeprefix('sha256:')[:12]}"
            parts = ", ".join(f"{name} {lap:.0f}" for name, lap in event.split)
            return f"{head} in {event.milliseconds:.0f} ms: {parts}"


def error_lines(event: Failed) -> list[str]:
    """What went wrong, where, and what goes on all the same."""
    error = event.error
    lines = [f"failed: {error.message}"]
    if error.place:
        lines.append(f"  at {error.place}")
    if error.excerpt:
        lines += error.excerpt.splitlines()
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    if event.serving:
        lines.append("  the container before it goes on")
    return [visible(line) for line in lines]


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _some(paths: tuple[str, ...]) -> str:
    shown = ", ".join(paths[:_MOST_PATHS])
    more = len(paths) - _MOST_PATHS
    return f"{shown} and {more} more" if more > 0 else shown
