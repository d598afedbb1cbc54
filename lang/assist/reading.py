"""A text that is being written, read as far as it can be.

The parser wants a whole recipe and says what is wrong; an editor wants what there is.
A Reading keeps the logical lines, and takes one apart when somebody asks about it.
What a template puts in is blanked out, so that its lines read like any others.
"""

from __future__ import annotations

from bisect import bisect_right

from lamina.lang.dialect import EXTENDED, Dialect, dialect_of
from lamina.lang.grammar import Grammar
from lamina.lang.lines import Fragment, Line, scan
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.statement import Statement, parse_statement
from lamina.lang.templates.render import is_template
from lamina.lang.words import Heredoc
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer keywords are no keywords.
_LONGEST = 40


@value
class Written:
    """One logical line. `keyword` is in upper case, as far as it is typed; `stage` is
    -1 above the first FROM. `end` is behind its heredocs."""

    line: Line
    keyword: str
    stage: int
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.line.text


@value
class Reading:
    """A text in logical lines; `source` is what was written, templates and all."""

    source: Source
    dialect: Dialect
    escape: str
    lines: tuple[Written, ...]
    grammar: Grammar
    # What `statement` found, by where the line starts.
    parted: dict[int, Statement | None]

    def at(self, offset: int) -> Written | None:
        """The line that holds `offset`, its heredocs with it."""
        place = bisect_right(self.lines, offset, key=lambda line: line.start) - 1
        if place < 0 or self.lines[place].end < offset:
            return None
        return self.lines[place]

    def statement(self, written: Written) -> Statement | None:
        """The line parted into keyword, flags and rest, of ONBUILD the trigger; None
        while it cannot be. Done once."""
        if written.start not in self.parted:
            self.parted[written.start] = self._part(written.line)
        return self.parted[written.start]

    def _part(self, line: Line) -> Statement | None:
        whole = Fragment(line, 0, len(line.text), line.text)
        try:
            statement = parse_statement(whole, self.escape, self.grammar, self.dialect)
            if statement.keyword == "ONBUILD" and statement.rest is not None:
                return statement.inner(statement.rest)
        except RecipeError:
            return None
        return statement

    def written(self, place: Span) -> str:
        """What stands at a place: lines know only what is left without templates."""
        return self.source.text[place.start : place.end]

    def bodies(self, written: Written) -> Iterator[tuple[Heredoc, int, int]]:
        """The heredocs of a line, and where their bodies start and end."""
        text = self.source.text
        at = _next_line(text, written.line.span(0, len(written.text)).end)
        for _, heredoc in written.line.heredocs:
            end = at + len(heredoc.body)
            yield heredoc, at, end
            at = _next_line(text, end)


def read(name: str, text: str) -> Reading:
    """A Reading of a file called `name`. Never raises."""
    source = Source(name, text)
    grammar = Grammar(None)
    plain = Source(name, without_templates(name, text))
    scanned = scan(plain, grammar.openings, lambda _: None)
    lines = tuple(_written(plain.text, scanned.lines))
    return Reading(source, _dialect(name, text), scanned.escape, lines, grammar, {})


def _dialect(name: str, text: str) -> Dialect:
    try:
        return dialect_of(name, text)
    except RecipeError:
        return EXTENDED  # a `# lamina:` line is being typed


def _written(text: str, lines: tuple[Line, ...]) -> Iterator[Written]:
    stage = -1
    for line in lines:
        keyword = line.text[:_LONGEST].split(None, 1)[0].upper()
        stage += keyword == "FROM"
        span = line.span(0, len(line.text))
        end = span.end
        for _, heredoc in line.heredocs:
            end = _line_end(text, _next_line(text, end) + len(heredoc.body))
        yield Written(line, keyword, stage, span.start, end)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _next_line(text: str, at: int) -> int:
    return min(len(text), _line_end(text, at) + 1)


# How Jinja's marks start and end, and what stands for them: a name where a value is
# put in, nothing for the others.
_MARKS = (("{{", "}}", "x"), ("{%", "%}", " "))


def without_templates(name: str, text: str) -> str:
    """The text with templates' marks blanked out, each character in its place."""
    if not is_template(name, text):
        return text
    for opening, closing, sign in _MARKS:
        pieces = []
        at = 0
        while (start := text.find(opening, at)) >= 0:
            end = text.find(closing, start + 2)
            if end < 0:
                break
            end += 2
            pieces.append(text[at:start])
            pieces += ("\n" if c == "\n" else sign for c in text[start:end])
            at = end
        text = "".join([*pieces, text[at:]])
    return text
