"""Logical lines: comments gone, continuations joined, heredoc bodies set apart.

What a grammar of one instruction needs before it can start, because it depends on
the lines before: the escape character, and where a heredoc ends. Every character of
a logical line knows its place in the source. Linear in the size of the source.
"""

from __future__ import annotations

from bisect import bisect_right

from lamina.lang import quirks
from lamina.lang.dialect import DOCKERFILE, Dialect, directive, lamina_setting
from lamina.lang.recipe import Directive
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.words import Heredoc
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # The heredocs that a line opens.
    Openings = Callable[["Line", Dialect], tuple["Opening", ...]]

# BuildKit reads no longer lines, so a recipe with one would not build elsewhere.
LONGEST_LINE = 65535
# More than any honest recipe; so many take some seconds to parse.
MOST_LINES = 20_000
DIRECTIVES = ("syntax", "escape", "check")


@value
class Line:
    """The text of one instruction, as if it had been written on one line.

    The piece of `text` from `starts[n]` on was at `offsets[n]` of the source. With an
    `anchor`, all of it is said to stand there (a trigger that an image brought).
    """

    source: Source
    text: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    heredocs: tuple[tuple[int, Heredoc], ...] = ()
    anchor: Span | None = None
    # The comments right above it, a line each.
    comment: str = ""

    def span(self, start: int, end: int) -> Span:
        """Where the characters from `start` up to `end` of `text` were written."""
        if self.anchor is not None:
            return self.anchor
        if len(self.starts) == 1:
            offset = self.offsets[0]
            return Span(self.source, offset + start, offset + end)
        first = self._offset(start)
        last = self._offset(end - 1) + 1 if end > start else first
        return Span(self.source, first, last)

    def _offset(self, at: int) -> int:
        piece = bisect_right(self.starts, at) - 1
        return self.offsets[piece] + at - self.starts[piece]


@value
class Fragment:
    """Some characters of a line; `text` may have lost its quotes (see `unquoted`)."""

    line: Line
    start: int
    end: int
    text: str

    @property
    def span(self) -> Span:
        return self.line.span(self.start, self.end)

    def part(self, start: int, end: int) -> Fragment:
        """The characters from `start` up to `end` of `text`."""
        text = self.text[start:end]
        if len(self.text) != self.end - self.start:
            return replace(self, text=text)
        return Fragment(self.line, self.start + start, self.start + end, text)

    def at(self, place: int) -> Span:
        """Where one character of `text` was written."""
        return self.within(place, place + 1)

    def within(self, start: int, end: int) -> Span:
        """Where the characters from `start` up to `end` of `text` were written; the
        whole of it, if it has lost its quotes."""
        if len(self.text) != self.end - self.start:
            return self.span
        return self.line.span(self.start + start, self.start + end)

    def unquoted(self, text: str) -> Fragment:
        """The same place, with what is left of the text without quotes and escapes."""
        return replace(self, text=text)


@value
class Opening:
    """A `<<NAME` in a line, from `start` up to `end` of its text."""

    name: str
    expand: bool
    strip_tabs: bool
    start: int
    end: int


@value
class Scan:
    """A source in logical lines."""

    escape: str
    directives: tuple[Directive, ...]
    lines: tuple[Line, ...]


def stop(error: RecipeError) -> None:
    """The report of those who want the first error only."""
    raise error


def scan(
    source: Source,
    openings: Openings,
    report: Callable[[RecipeError], None] = stop,
    dialect: Dialect = DOCKERFILE,
) -> Scan:
    """Take `source` apart. `openings` finds the heredocs that a line opens.

    Reports what is wrong on this level and, if `report` returns, goes on behind it: a
    directive, a NUL, a line that is too long, a heredoc without an end.
    """
    at = source.text.find("\0")
    if at >= 0:
        report(
            RecipeError(
                "A NUL character cannot stand in a recipe.", Span(source, at, at + 1)
            )
        )
    return _Scanner(source, report, dialect).scan(openings)


def trigger_line(
    source: Source,
    openings: Openings,
    escape: str,
    anchor: Span,
    dialect: Dialect,
) -> tuple[Line, ...]:
    """The lines of an ONBUILD trigger: no directives, an escape that is given, and all
    of it stands at `anchor`."""
    scanner = _Scanner(source, stop, dialect)
    scanner.escape = escape
    scanner.heading = scanner.top = False
    scanner.anchor = anchor
    return scanner.scan(openings).lines


def line_again(span: Span, escape: str) -> tuple[Line, int]:
    """The line of an instruction that was parsed, and where what follows it starts
    (its here-documents): what places within a node's text are found by."""
    scanner = _Scanner(span.source, stop)
    scanner.escape = escape
    scanner.heading = scanner.top = False
    scanner.at = span.start
    line = scanner.line()
    assert line is not None, "a node's span starts with its keyword"
    return line, scanner.at


def content_line(heredoc: Heredoc, anchor: Span | None = None) -> Line:
    """A heredoc's content, whose characters know their places."""
    source, start = heredoc.lines.source, heredoc.lines.start
    if anchor is not None or not heredoc.strip_tabs:
        return Line(source, heredoc.content, (0,), (start,), anchor=anchor)
    starts, offsets, length = [], [], 0
    for line in heredoc.body.split("\n"):
        kept = line.lstrip("\t")
        starts.append(length)
        offsets.append(start + len(line) - len(kept))
        length += len(kept) + 1
        start += len(line) + 1
    return Line(source, heredoc.content, tuple(starts), tuple(offsets))


def _placed(
    pieces: tuple[tuple[int, str], ...], lead: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where the pieces that hold text start in a line without the `lead` characters at
    its start, and in the source."""
    if len(pieces) == 1:
        return (0,), (pieces[0][0] + lead,)
    starts: list[int] = []
    length = 0
    for _, piece in pieces:
        starts.append(length)
        length += len(piece)
    first = bisect_right(starts, lead) - 1
    offsets = [offset for offset, _ in pieces[first:]]
    # The first starts with the first character.
    offsets[0] += lead - starts[first]
    return (0, *(start - lead for start in starts[first + 1 :])), tuple(offsets)


class _Scanner:
    """A place in a source, and what was seen on the way there."""

    def __init__(
        self,
        source: Source,
        report: Callable[[RecipeError], None],
        dialect: Dialect = DOCKERFILE,
    ) -> None:
        self.source = source
        self.report = report
        self.dialect = dialect
        self.last_only = dialect.keeps(quirks.ESCAPED_ESCAPE)
        self.start = self.at = 1 if source.text.startswith("\ufeff") else 0
        self.escape = "\\"
        # The directives that may come: after a `#!` line BuildKit sees two of them.
        self.known: tuple[str, ...] = DIRECTIVES
        # Whether directives may still come, and whether no instruction came yet.
        self.heading = True
        self.top = True
        self.directives: list[Directive] = []
        self.comments: list[str] = []
        self.anchor: Span | None = None

    def scan(self, openings: Openings) -> Scan:
        lines: list[Line] = []
        while self.at < len(self.source.text):
            line = self.line()
            if line is not None:
                if len(lines) == MOST_LINES:
                    self.report(
                        RecipeError(
                            f"A recipe has no more than {MOST_LINES} instructions.",
                            line.span(0, len(line.text)),
                        )
                    )
                    break
                found = openings(line, self.dialect) if "<<" in line.text else ()
                bodies = tuple(
                    (opening.start, self.heredoc(line, opening)) for opening in found
                )
                lines.append(replace(line, heredocs=bodies) if bodies else line)
        return Scan(self.escape, tuple(self.directives), tuple(lines))

    def physical(self) -> tuple[int, str]:
        """The next line of the file and where it starts; its end is left out."""
        start = self.at
        end = self.source.text.find("\n", start)
        self.at = len(self.source.text) if end < 0 else end + 1
        text = self.source.text[start : end if end >= 0 else None]
        if len(text) * 4 > LONGEST_LINE and len(text.encode()) > LONGEST_LINE:
            self.report(
                RecipeError(
                    f"A line is longer than {LONGEST_LINE} bytes.",
                    Span(self.source, start, start + 1),
                    hint="Break it with the escape character, or COPY the data "
                    "as a file.",
                )
            )
            text = ""
        return start, text

    def line(self) -> Line | None:
        """The next logical line, or None for a comment or a blank line."""
        pieces = tuple(self.pieces())
        text = "".join(piece for _, piece in pieces).rstrip()
        if not text:
            return None
        lead = len(text) - len(text.lstrip())
        starts, offsets = _placed(pieces, lead)
        comment = "\n".join(self.comments)
        self.comments = []
        return Line(self.source, text[lead:], starts, offsets, (), self.anchor, comment)

    def pieces(self) -> Iterator[tuple[int, str]]:
        """What one logical line is joined from, and where each piece starts."""
        first = True
        while self.at < len(self.source.text):
            offset, raw = self.physical()
            text = raw.rstrip("\r")
            stripped = text.strip()
            if stripped.startswith("#"):
                if first:
                    start = offset + len(text) - len(text.lstrip())
                    end = start + len(stripped)
                    self.comment(Span(self.source, start, end), stripped)
                    return
                continue
            self.heading = False
            if not stripped:
                if first:
                    return
                continue
            self.top = False
            kept = text.rstrip(" \t")
            escapes = len(kept) - len(kept.rstrip(self.escape))
            # `\\` at the end is an escaped escape: only an odd one continues.
            if escapes % 2 == 0 or (self.last_only and escapes > 1):
                yield offset, text
                return
            yield offset, kept[:-1]
            first = False

    def comment(self, span: Span, text: str) -> None:
        """Keep a comment that means something; the first that doesn't ends the
        heading, the only place where `escape` and `syntax` work."""
        setting = lamina_setting(text)
        if setting is not None and self.top:
            self.heading = False
            self.directives.append(Directive("lamina", setting, True, span))
            return
        found = directive(text)
        if text.startswith("#!") and span.start == self.start:
            self.known = ("syntax", "check")
            return
        if found is None or found[0] not in self.known:
            self.heading = False
        if self.heading or (found is not None and found[0] == "check"):
            assert found is not None
            self.directive(*found, span)
            return
        meant = text[1:].strip()
        if meant:
            self.comments.append(meant)
        else:
            self.comments = []

    def directive(self, name: str, given: str, span: Span) -> None:
        """Keep a directive; in the heading each stands once."""
        if self.heading:
            if any(d.name == name and d.heading for d in self.directives):
                self.report(RecipeError(f"`# {name}=` is there twice.", span))
                return
            if name == "escape":
                self.set_escape(given, span)
        self.directives.append(Directive(name, given, self.heading, span))

    def set_escape(self, given: str, span: Span) -> None:
        if given not in ("\\", "`"):
            self.report(
                RecipeError(
                    f"{given!r} cannot be the escape character.",
                    span,
                    hint="It is \\ or `.",
                )
            )
        else:
            self.escape = given

    def heredoc(self, line: Line, opening: Opening) -> Heredoc:
        """Read the lines up to the one that ends `opening`."""
        start = self.at
        span = line.span(opening.start, opening.end)
        while self.at < len(self.source.text):
            end, text = self.physical()
            text = text.rstrip("\r")
            if (text.lstrip("\t") if opening.strip_tabs else text) == opening.name:
                return self.body(opening, span, start, end)
        self.report(
            RecipeError(
                f"No line `{opening.name}` ends this heredoc.",
                span,
                hint="Quote the `<<` if it is not meant to open one.",
            )
        )
        return self.body(opening, span, start, len(self.source.text))

    def body(self, opening: Opening, span: Span, start: int, end: int) -> Heredoc:
        return Heredoc(
            opening.name,
            self.source.text[start:end],
            opening.expand,
            opening.strip_tabs,
            span,
            self.anchor or Span(self.source, start, end),
        )
