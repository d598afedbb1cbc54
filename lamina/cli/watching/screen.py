"""The screen of watching: the board above, what containers write below it.

On the terminal's other screen, so that what was there before is there afterwards.
"""

from __future__ import annotations

import os
import threading
import time

from lamina.cli.progress.style import Style
from lamina.cli.watching.board import Board
from lamina.errors import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from lamina.builder.events import Event as BuildEvent
    from lamina.cli.watching.events import Event

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
# A frame is shown at once (synchronised output), without lines being wrapped.
_BEGIN, _END = "\x1b[?2026h\x1b[?7l\x1b[H", "\x1b[J\x1b[?7h\x1b[?2026l"
_SIZE = os.terminal_size((80, 24))
# How often it is drawn at the most, and at the least while something goes on (s).
_QUICK, _SLOW = 0.03, 0.25


class ScreenView:
    """Draws in a thread of its own from the first event until `close`."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._style = Style(stream, colour=colour)
        self._board = Board(time.monotonic())
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = False
        self._shown = False
        self._drawn: list[str] = []
        self._paused = False
        self._thread = threading.Thread(target=self._draw_on, name="lamina-screen")
        self._thread.start()

    def __call__(self, event: Event | BuildEvent) -> None:
        with self._lock:
            self._board.apply(event, time.monotonic())
        self._changed.set()

    def explain(self) -> None:
        """Say why steps ran, or no longer."""
        with self._lock:
            self._board.explains = not self._board.explains
        self._changed.set()

    def say(self, text: str) -> None:
        """A line in the place of the keys, until something happens."""
        with self._lock:
            self._board.message = visible(text)
        self._changed.set()

    def pause(self) -> None:
        """Give the terminal back as it was, for somebody else."""
        with self._lock:
            self._paused = True
            self._leave()

    def resume(self) -> None:
        """Draw again."""
        with self._lock:
            self._paused = False
        self._changed.set()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        self._thread.join()
        with self._lock:
            self._leave()

    def _leave(self) -> None:
        if self._shown:
            self._write(_LEAVE)
            self._shown = False

    def _draw_on(self) -> None:
        while not self._closed:
            self._changed.wait(_SLOW)
            self._changed.clear()
            with self._lock:
                if not self._paused and not self._closed:
                    self._draw()
            time.sleep(_QUICK)

    def _draw(self) -> None:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            size = _SIZE
        size = size if all(size) else _SIZE
        now = time.monotonic()
        rows = self._board.rows(self._style, (size.columns, size.lines), now)
        if self._shown and rows == self._drawn:
            return
        enter = "" if self._shown else _ENTER
        self._shown, self._drawn = True, rows
        self._write(enter + _BEGIN + "\x1b[K\r\n".join(rows) + "\x1b[K" + _END)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # The terminal is gone.
            self._closed = True
