"""Screen: the lines at the bottom of a terminal that are drawn again and again.

Only lines that changed are written, and each drawing is one write, so nothing
flickers. What is above goes into the terminal's history and stays.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

# Of a terminal that does not tell.
_SIZE = os.terminal_size((80, 24))
# No cursor, no wrapping (DECTCEM, DECAWM), and, for terminals that know it, nothing
# on the glass until all is written (synchronized output, mode 2026).
_BEGIN = "\x1b[?2026h\x1b[?25l\x1b[?7l"
_END = "\x1b[?7h\x1b[?25h\x1b[?2026l"


class Screen:
    """The cursor rests below the last drawn line, at the left."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn: list[tuple[str, int]] = []
        self._columns = 0

    def size(self) -> os.terminal_size:
        """The terminal's size now."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _SIZE
        return found if all(found) else _SIZE

    def draw(
        self, lines: Sequence[tuple[str, int]], above: Sequence[str], columns: int
    ) -> None:
        """Let `lines` be what is drawn, each with the columns it takes; `above` is
        said once and for all, over them."""
        parts = []
        if above or columns != self._columns:
            parts.append(self._erase(columns))
            parts += [f"\x1b[?7h{line}\r\n" for line in above]
            parts.append("\x1b[?7l")
        elif self._drawn:
            parts.append(f"\x1b[{len(self._drawn)}A\r")
        before = self._drawn
        for number, line in enumerate(lines):
            same = number < len(before) and before[number] == line
            parts.append("\r\n" if same else f"{line[0]}\x1b[K\r\n")
        if len(lines) < len(before):
            parts.append("\x1b[J")
        self._drawn = list(lines)
        self._columns = columns
        self._write(_BEGIN + "".join(parts) + _END)

    def say(self, above: Sequence[str]) -> None:
        """Take away what is drawn, and say `above`."""
        erased = self._erase(self.size().columns)
        text = erased + "".join(f"{line}\n" for line in above)
        if text:
            self._write(text)

    def _erase(self, columns: int) -> str:
        """To the first drawn line, and nothing from there on.

        A terminal that was made narrower has wrapped what is drawn.
        """
        if not self._drawn:
            return ""
        height = sum(max(1, -(-width // columns)) for _, width in self._drawn)
        self._drawn = []
        return f"\x1b[{height}A\r\x1b[J"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
