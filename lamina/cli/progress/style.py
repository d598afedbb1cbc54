"""Signs and colours of the live view, for any encoding, light or dark.

Only the terminal's own colours are named, which its user chose to be readable.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


@value
class Signs:
    """What begins a line."""

    done: str
    failed: str
    cached: str
    running: str
    transfer: str
    cut: str
    bar: tuple[str, str]


_SIGNS = Signs("✔", "✘", "≡", "▸", "↓", "…", ("━", "─"))
_ASCII = Signs("+", "x", "=", ">", "<", "~", ("#", "-"))
_CODES = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1"}


class Style:
    """How one terminal is written to."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        encoding = (getattr(stream, "encoding", None) or "").lower()
        self.signs = _SIGNS if encoding.replace("-", "") == "utf8" else _ASCII
        self.colour = colour

    def paint(self, text: str, name: str) -> str:
        """`text` in a colour, where there are colours."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.colour and text else text

    def fitted(self, text: str, width: int) -> str:
        """`text` in `width` columns, cut at its end where it is longer."""
        if columns(text) <= width:
            return text
        room = width - 1
        kept = []
        for character in text:
            room -= columns(character)
            if room < 0:
                break
            kept.append(character)
        return "".join(kept) + self.signs.cut if width > 0 else ""


def columns(text: str) -> int:
    """How wide a terminal draws it (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )


def seconds(amount: float) -> str:
    """`0.4s`, `12.3s`, `4m07s`, `1h02m`."""
    if amount < 99.95:
        return f"{amount:.1f}s"
    whole = int(amount + 0.5)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
