"""Lines and characters, as editors count them, to offsets in a text and back.

The Language Server Protocol counts lines from 0, ends them at CR LF, LF or CR, and
counts characters in UTF-16 code units unless both sides agree on something else.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from lamina.values import value

_ENDS = re.compile(r"\r\n|\r|\n")
UNITS = ("utf-8", "utf-16", "utf-32")


@value
class Positions:
    """A text, where its lines start, and the unit that characters are counted in."""

    text: str
    starts: tuple[int, ...]
    unit: str

    def offset(self, line: int, character: int) -> int:
        """The offset of a position. One behind the end of its line stands for the
        end, one behind the last line for the end of the text (the protocol's rule)."""
        if line >= len(self.starts):
            return len(self.text)
        start = self.starts[max(0, line)]
        content = self.text[start : self._end(line)].rstrip("\r\n")
        return start + _characters(content, character, self.unit)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and character of an offset."""
        offset = min(max(0, offset), len(self.text))
        line = bisect_right(self.starts, offset) - 1
        return line, _units(self.text[self.starts[line] : offset], self.unit)

    def _end(self, line: int) -> int:
        last = line + 1 >= len(self.starts)
        return len(self.text) if last else self.starts[line + 1]


def positions(text: str, unit: str = "utf-16") -> Positions:
    """The places of `text`. `unit` is one of UNITS."""
    starts = (0, *(end.end() for end in _ENDS.finditer(text)))
    return Positions(text, starts, unit)


def _units(text: str, unit: str) -> int:
    if unit == "utf-32" or text.isascii():
        return len(text)
    if unit == "utf-8":
        return len(text.encode(errors="surrogatepass"))
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _characters(text: str, units: int, unit: str) -> int:
    """How many characters of `text` lie before the unit number `units`. In the middle
    of a character is before it."""
    if units <= 0:
        return 0
    if unit == "utf-32" or text.isascii():
        return min(units, len(text))
    if unit == "utf-8":
        head = text.encode(errors="surrogatepass")[:units]
        return len(head.decode(errors="ignore"))
    head = text.encode("utf-16-le", errors="surrogatepass")[: units * 2]
    return len(head.decode("utf-16-le", errors="ignore"))
