"""A recipe's text, a place in it, and what is wrong there."""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.values import value


@value
class Source:
    """The text of a recipe and the name that its messages use (`Recipe`, `-`)."""

    name: str
    text: str

    def line_of(self, offset: int) -> int:
        """The line, from 1, that holds the character at `offset`."""
        return self.text.count("\n", 0, offset) + 1

    def column_of(self, offset: int) -> int:
        """The column, from 1, of the character at `offset`."""
        return offset - self.text.rfind("\n", 0, offset)


@value
class Span:
    """A half-open range of characters in what the user wrote."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.line_of(self.start)

    @property
    def column(self) -> int:
        return self.source.column_of(self.start)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        # Without the whole source in it, a node's repr can be read.
        return f"Span({self}, {self.end - self.start})"


class RecipeError(LaminaError):
    """What is wrong at one place of a recipe; shows the lines around it."""

    def __init__(self, message: str, span: Span, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, place=str(span), excerpt=excerpt(span))
        self.span = span


def decode(name: str, data: bytes) -> Source:
    """The Source in a file's bytes. Raises RecipeError where they are not UTF-8."""
    try:
        return Source(name, data.decode())
    except UnicodeDecodeError as error:
        start = len(data[: error.start].decode())
        shown = Source(name, data.decode(errors="replace"))
        hint = "Save the file as UTF-8."
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            hint = "The file looks like UTF-16. Save it as UTF-8."
        raise RecipeError(
            f"Byte 0x{data[error.start]:02x} is not valid UTF-8.",
            Span(shown, start, start + 1),
            hint=hint,
        ) from None


# What an excerpt shows of a line, and of the lines of a long span at each end.
WIDEST = 160
TALLEST = 5


def excerpt(span: Span, around: int = 2) -> str:
    """The lines of `span` with `>>>` before each and `^` under a one-line span.

    The middle of a long span, and what is far from it on a long line, is left out.
    """
    source = span.source
    first = span.line
    last = source.line_of(max(span.start, span.end - 1))
    lines = source.text.split("\n")[: last + around]
    shown = []
    for number in range(max(1, first - around), len(lines) + 1):
        inside = first <= number <= last
        if inside and number - first >= TALLEST and last - number >= TALLEST:
            if number - first == TALLEST:
                shown.append("      | >>> ...")
            continue
        column = span.column if number == first else 1
        line, cut = _clip(lines[number - 1], column)
        shown.append(f"{number:5} | {'>>>' if inside else '   '} {line}")
        if inside and first == last:
            width = max(1, min(span.end - span.start, len(line) + cut - column + 1))
            shown.append(" " * (11 + column - cut) + "^" * width)
    return "\n".join(line.rstrip() for line in shown)


def _clip(line: str, column: int) -> tuple[str, int]:
    """A piece of `line` with `column` in it, and what is missing at its left."""
    if len(line) <= WIDEST:
        return line, 0
    start = max(0, column - WIDEST // 2)
    piece = line[start : start + WIDEST]
    if start:
        piece = "..." + piece[3:]
    if start + WIDEST < len(line):
        piece = piece[:-3] + "..."
    return piece, start
