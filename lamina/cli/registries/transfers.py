"""What is shown while blobs move: a line for each on a terminal, its end in a pipe."""

from __future__ import annotations

import os
import sys
import threading
import time

from lamina.cli.formats.tables import human_size
from lamina.errors import visible
from lamina.oci.registry.progress import Ended, Moved, Noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TextIO

    from lamina.oci.digest import Digest
    from lamina.oci.registry.progress import Progress

    class View(Protocol):
        """Takes what happens; `close` leaves the screen as it should stay."""

        def __call__(self, event: Progress) -> None: ...

        def close(self) -> None: ...


_WORDS = {
    "pull": "Pulling",
    "push": "Pushing",
    "compress": "Compressing",
    "copy": "Copying",
}
_OUTCOMES = {
    "pulled": "Pull complete",
    "exists": "Already exists",
    "pushed": "Pushed",
    "mounted": "Mounted",
    "copied": "Copied",
}
_BAR = 30
_OFTEN = 0.1


def view(quiet: bool, stream: TextIO = sys.stderr) -> View:
    """Nothing when quiet, lines that change on a terminal, else lines that stay."""
    if quiet:
        return Notes(stream)
    return Live(stream) if stream.isatty() else Lines(stream)


class Notes:
    """Only what people have to know."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Progress) -> None:
        if isinstance(event, Noted):
            self._stream.write(f"lamina: warning: {visible(event.text)}\n")

    def close(self) -> None:
        self._stream.flush()


class Lines(Notes):
    """A line for what was done with each blob."""

    def __call__(self, event: Progress) -> None:
        super().__call__(event)
        if isinstance(event, Ended) and event.outcome in _OUTCOMES:
            self._stream.write(f"{event.digest.short}: {_OUTCOMES[event.outcome]}\n")
            self._stream.flush()


class Live(Notes):
    """A line for each blob, in the order in which they came, drawn over and over."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: dict[Digest, str] = {}
        self._drawn = 0
        self._last = 0.0
        self._lock = threading.Lock()

    def __call__(self, event: Progress) -> None:
        with self._lock:
            match event:
                case Noted():
                    self._erase()
                    super().__call__(event)
                case Moved(act, digest, done, total):
                    self._lines[digest] = _moved(act, done, total)
                case Ended(digest, "compressed"):
                    self._lines.pop(digest, None)
                case Ended(digest, outcome):
                    self._lines[digest] = _OUTCOMES[outcome]
            now = time.monotonic()
            if now - self._last >= _OFTEN:
                self._last = now
                self._draw()

    def close(self) -> None:
        with self._lock:
            self._draw(whole=True)
            self._stream.flush()

    def _draw(self, whole: bool = False) -> None:
        self._erase()
        columns, rows = _size(self._stream)
        lines = [f"{digest.short}: {text}" for digest, text in self._lines.items()]
        # What has scrolled away cannot be drawn over.
        lines = lines if whole else lines[-(rows - 1) :]
        self._stream.write("".join(f"{line[: columns - 1]}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
        self._drawn = 0


def _moved(act: str, done: int, total: int) -> str:
    part = done / total if total else 1.0
    filled = int(part * _BAR)
    bar = "=" * filled + (">" if filled < _BAR else "")
    sizes = f"{human_size(done)}/{human_size(total)}"
    return f"{_WORDS[act]} [{bar:<{_BAR}}] {sizes}"


def _size(stream: TextIO) -> tuple[int, int]:
    try:
        found = os.get_terminal_size(stream.fileno())
    except OSError:
        return 80, 24
    return found.columns or 80, found.lines or 24
