"""A recipe's text, a place in it, and what is wrong there.

A text that was rendered knows, piece by piece, where its template says it (`Piece`) and
what the template was doing then (`Frame`). A Span of it therefore has a place in what
the user wrote, and all that is shown of it (`place`, `str`, `excerpt`) is that.
"""

from __future__ import annotations

from bisect import bisect_right

from lamina.errors import LaminaError, visible
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@value
class Source:
    """The text of a recipe and the name that its messages use (`Recipe`, `-`).

    `origins` is where the characters of a rendered text came from, in order and
    without gaps; a text that was read as it is has none.
    """

    name: str
    text: str
    origins: tuple[Piece, ...] = ()

    def line_of(self, offset: int) -> int:
        """The line, from 1, that holds the character at `offset`."""
        return self.text.count("\n", 0, offset) + 1

    def column_of(self, offset: int) -> int:
        """The column, from 1, of the character at `offset`."""
        return offset - self.text.rfind("\n", 0, offset)

    def __hash__(self) -> int:
        return hash((self.name, self.text))


@value
class Frame:
    """What was going on in a template: all of it, a macro, one turn of a loop.

    `kind` is recipe, included, imported, extended, macro, call, block or loop; `name`
    that of a macro or block. `values` are a loop's variables in this turn. The
    characters from `start` to `end` of the parent's template brought it about.
    """

    kind: str
    source: Source
    name: str = ""
    values: tuple[tuple[str, object], ...] = ()
    parent: Frame | None = None
    start: int = 0
    end: int = 0

    @property
    def caused(self) -> Span:
        """What brought it about, in the parent's template."""
        assert self.parent is not None
        return Span(self.parent.source, self.start, self.end)

    @property
    def cause(self) -> str:
        """File and line of what brought it about."""
        return f"{self.caused.source.name}:{self.caused.line}"

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """A loop's variables and, as far as they are short, their values."""
        return tuple((name, _short(given)) for name, given in self.values)

    def __str__(self) -> str:
        where = self.cause
        if self.kind == "loop":
            line = where.rpartition(":")[2]
            given = ", ".join(f"{name}={shown}" for name, shown in self.shown)
            return f"in the loop of line {line}: {given}"
        if self.kind == "macro":
            return f"in the macro {self.name}, called at {where}"
        if self.kind == "call":
            return f"in a call block, called at {where}"
        if self.kind == "block":
            return f"in the block {self.name}, placed at {where}"
        return f"{self.kind} at {where}"

    def outwards(self) -> Iterator[Frame]:
        """This frame and all that it is in, the recipe last."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent


@value
class Piece:
    """The characters of a rendered text from `at` up to the next piece's.

    They come from those from `start` to `end` of the frame's template: the same ones
    where `literal`, else what an expression gave.
    """

    at: int
    frame: Frame
    start: int
    end: int
    literal: bool


@value
class Place:
    """Lines and columns, from 1, of a file; the end is behind the last character."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@value
class Span:
    """A half-open range of characters: of what the user wrote, or of what came of it
    (`written` is the former in any case)."""

    source: Source
    start: int
    end: int

    @property
    def written(self) -> Span:
        """Where the user wrote it: this very span, but for rendered text."""
        return _origin(self)[0]

    @property
    def in_recipe(self) -> Span:
        """The same in the recipe itself: for text that another file has, what brought
        it in there."""
        return _origin(self, in_recipe=True)[0]

    @property
    def chain(self) -> tuple[Frame, ...]:
        """How the text came about, the nearest cause first: loops with the values in
        play, macros, includes."""
        frame = _origin(self)[1]
        frames = () if frame is None else frame.outwards()
        return tuple(outer for outer in frames if outer.parent is not None)

    @property
    def place(self) -> Place:
        """File, lines and columns of what the user wrote."""
        written = self.written
        source, end = written.source, max(written.start, written.end)
        return Place(
            source.name,
            source.line_of(written.start),
            source.column_of(written.start),
            source.line_of(end),
            source.column_of(end),
        )

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        return str(self.place)

    def __repr__(self) -> str:
        # Without the whole source in it, a node's repr can be read.
        return f"Span({self}, {self.end - self.start})"


def _origin(span: Span, in_recipe: bool = False) -> tuple[Span, Frame | None]:
    """A span in what the user wrote, and the frame that it is in: the innermost that
    has both ends (and is of the recipe's own text)."""
    pieces = span.source.origins
    if not pieces:
        return span, None
    last = max(0, min(span.end, len(span.source.text)) - 1)
    first = min(span.start, last)
    ends = _piece(pieces, first), _piece(pieces, last)
    frame = _shared(ends[0].frame, ends[1].frame)
    if in_recipe:
        *_, recipe = frame.outwards()
        own = (outer for outer in frame.outwards() if outer.source is recipe.source)
        frame = next(own)
    start, stop = _seen_from(frame, ends[0], first)
    end = _seen_from(frame, ends[1], last)[1]
    if span.start > last:
        start = end = stop
    elif span.start == span.end:
        end = start
    elif end < stop:
        # What comes later was written earlier, as in two turns of a loop.
        end = stop
    return Span(frame.source, start, end), frame


def _piece(pieces: tuple[Piece, ...], offset: int) -> Piece:
    return pieces[bisect_right(pieces, offset, key=_at) - 1]


def _at(piece: Piece) -> int:
    return piece.at


def _shared(one: Frame, other: Frame) -> Frame:
    """The innermost frame that both are in."""
    around = {id(frame) for frame in one.outwards()}
    return next(frame for frame in other.outwards() if id(frame) in around)


def _seen_from(frame: Frame, piece: Piece, offset: int) -> tuple[int, int]:
    """Where in the template of `frame` a character of the piece comes from."""
    if piece.frame is frame:
        if not piece.literal:
            return piece.start, piece.end
        start = piece.start + offset - piece.at
        return start, start + 1
    inner = next(outer for outer in piece.frame.outwards() if outer.parent is frame)
    return inner.start, inner.end


class RecipeError(LaminaError):
    """What is wrong at one place of a recipe; shows the lines around it."""

    def __init__(self, message: str, span: Span, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, place=str(span), excerpt=excerpt(span))
        self.span = span


class UnclosedQuote(RecipeError):
    """A quote without its other half; perhaps blanks were meant to be kept in it."""


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


def unix_lines(source: Source) -> Source:
    """The same text with each line ending in a newline alone."""
    if "\r" not in source.text:
        return source
    text = source.text.replace("\r\n", "\n").replace("\r", "\n")
    return Source(source.name, text)


# What an excerpt shows of a line, and of the lines of a long span at each end.
WIDEST = 160
TALLEST = 5
# How many causes it names, and how much of a value.
DEEPEST = 8
LONGEST_VALUE = 40


def excerpt(span: Span, around: int = 2) -> str:
    """The lines of `span` with `>>>` before each and `^` under a one-line span.

    The middle of a long span, and what is far from it on a long line, is left out. Of
    rendered text it is the template's lines, and below them how they came about and,
    where it differs, the line that was made of them.
    """
    written, frame = _origin(span)
    shown = _excerpt(written, around)
    if frame is None:
        return shown
    notes = [str(outer) for outer in span.chain]
    if len(notes) > DEEPEST:
        notes[DEEPEST // 2 : -DEEPEST // 2] = ["..."]
    made = _line_at(span.source, span.start)
    if made.strip() != _line_at(written.source, written.start).strip():
        notes.append(f"rendered: {_clip(made.strip(), 1)[0]}")
    return "\n".join([shown, *(f"      = {note}" for note in notes)])


def _line_at(source: Source, offset: int) -> str:
    start = source.text.rfind("\n", 0, offset) + 1
    return source.text[start:].partition("\n")[0]


def _short(given: object) -> str:
    from reprlib import Repr

    shown = Repr()  # looks no deeper than it shows
    shown.maxstring = shown.maxother = LONGEST_VALUE
    return shown.repr(given)


def _lines_around(text: str, span: Span, around: int) -> list[str]:
    """The lines of `span` and some before and behind: of a long text with many errors
    each has to look at a small part."""
    begin = text.rfind("\n", 0, span.start) + 1
    end = max(span.start, span.end - 1)
    for _ in range(around):
        begin = text.rfind("\n", 0, max(0, begin - 1)) + 1
    for _ in range(around + 1):
        found = text.find("\n", end)
        if found < 0:
            if text.endswith("\n") and span.start < len(text):
                return text[begin:-1].split("\n")
            return text[begin:].split("\n")
        end = found + 1
    return text[begin : end - 1].split("\n")


def _excerpt(span: Span, around: int) -> str:
    source, start = span.source, span.start
    first = source.line_of(start)
    last = source.line_of(max(start, span.end - 1))
    low = max(1, first - around)
    lines = _lines_around(source.text, span, around)
    shown = []
    for number in range(low, low + len(lines)):
        inside = first <= number <= last
        if inside and number - first >= TALLEST and last - number >= TALLEST:
            if number - first == TALLEST:
                shown.append("      | >>> ...")
            continue
        column = source.column_of(start) if number == first else 1
        line, cut = _clip(visible(lines[number - low].removesuffix("\r")), column)
        shown.append(f"{number:5} | {'>>>' if inside else '   '} {line}")
        if inside and first == last:
            at = column - cut - 1
            text = line[at : at + max(1, span.end - start)] or " "
            shown.append(" " * 12 + _cells(line[:at], " ") + (_cells(text, "^") or "^"))
    return "\n".join(line.rstrip() for line in shown)


def _cells(text: str, sign: str) -> str:
    """What takes as many cells of a terminal as a text does: a tab for a tab, two of
    the signs for a wide character, none for one that stands on the one before."""
    if text.isascii():
        return "\t".join(sign * len(part) for part in text.split("\t"))
    from unicodedata import combining, east_asian_width

    return "".join(
        "\t" if c == "\t" else sign * (2 if east_asian_width(c) in "WF" else 1)
        for c in text
        if not combining(c)
    )


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
