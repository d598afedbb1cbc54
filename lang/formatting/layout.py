"""Where the words of an instruction stand in its line, and how they are laid out.

What is between two of them are blanks that mean nothing, and in a JSON array the
commas. A text that is taken as it is, blanks and all, is one word here: that of a
shell, of WORKDIR, of ONBUILD.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lamina.lang.lines import Fragment
    from lamina.lang.statement import Statement, Token

INDENT = "    "
# The grammar's rule for what follows an instruction's flags. Of the others, the text
# is taken as it is.
WORDS = {
    "FROM": "from_",
    "ARG": "args",
    "ENV": "pairs",
    "LABEL": "pairs",
    "COPY": "words",
    "ADD": "words",
    "VOLUME": "words",
    "EXPOSE": "words",
    "UNSET": "words",
}
# Those whose arguments may be a JSON array.
ARRAYS = frozenset({"RUN", "TEST", "CMD", "ENTRYPOINT", "SHELL"}) | {
    "COPY",
    "ADD",
    "VOLUME",
}


@value
class Atom:
    """A word: from `start` up to `end` of its line's text.

    `text` is its canonical spelling, of the same length. A `comma` follows it. No
    blank stands before one that is `tight`. A `raw` one may hold blanks that count.
    """

    start: int
    end: int
    text: str
    comma: bool = False
    tight: bool = False
    raw: bool = False


def atoms(statement: Statement) -> tuple[Atom, ...]:
    """The words of a statement that can be parsed, the keyword first."""
    return tuple(_atoms(statement))


def _atoms(statement: Statement) -> Iterator[Atom]:
    whole = statement.whole
    at = whole.start + len(statement.keyword)
    yield Atom(whole.start, at, statement.keyword)
    for flag in statement.flags:
        yield _as_written(flag.place)
        at = flag.place.end
    rest = statement.rest
    end = whole.end if rest is None else rest.start
    dashes = whole.line.text[at:end]
    if dashes.strip():  # the `--` that ends the flags
        at += len(dashes) - len(dashes.lstrip())
        yield Atom(at, at + 2, "--")
    if rest is not None:
        yield from _arguments(statement, rest)


def _arguments(statement: Statement, text: Fragment) -> Iterator[Atom]:
    keyword = statement.keyword
    if keyword == "HEALTHCHECK":
        kind, *rest = statement.tree("healthcheck", text)
        yield _token(text, kind, upper=True)
        if not rest or rest[0] is None:
            return
        keyword, text = "CMD", text.part(rest[0].start_pos, rest[0].end_pos)
    bracket = keyword in ARRAYS and text.text.startswith("[")
    array = _array(statement, text) if bracket else None
    if array is not None:
        yield from array
    elif bracket:
        # Words that look like JSON; with other blanks they might be JSON.
        yield _raw(text)
    elif keyword in WORDS:
        yield from _words(text, statement.tree(WORDS[keyword], text), keyword)
    else:
        yield _raw(text)


def _words(text: Fragment, children: tuple[Any, ...], keyword: str) -> Iterator[Atom]:
    for place, child in enumerate(children):
        if isinstance(child, tuple):  # KEY, EQUALS, VALUE
            last = next(token for token in reversed(child) if token is not None)
            yield _as_written(text.part(child[0].start_pos, last.end_pos))
        elif child is None:
            continue  # FROM without a name
        elif child.type == "ANYTHING":  # ENV KEY the rest
            yield _raw(text.part(child.start_pos, child.end_pos))
        else:
            upper = child.type == "AS" or (keyword == "UNSET" and place == 0)
            yield _token(text, child, upper=upper)


def _array(statement: Statement, text: Fragment) -> tuple[Atom, ...] | None:
    """The brackets and strings of a JSON array, or None where `text` is none."""
    items = statement.grammar.array(text)
    if items is None:
        return None
    found = [Atom(text.start, text.start + 1, "[")]
    for place, item in enumerate(items):
        last = place + 1 == len(items)
        found.append(replace(_token(text, item), comma=not last, tight=place == 0))
    closing = text.start + text.text.rindex("]")
    return (*found, Atom(closing, closing + 1, "]", tight=True))


def _token(text: Fragment, token: Token, upper: bool = False) -> Atom:
    part = text.part(token.start_pos, token.end_pos)
    return Atom(part.start, part.end, part.text.upper() if upper else part.text)


def _as_written(text: Fragment) -> Atom:
    return Atom(text.start, text.end, text.line.text[text.start : text.end])


def _raw(text: Fragment) -> Atom:
    return Atom(text.start, text.end, text.text, raw=True)


@value
class Break:
    """The end of a physical line in an instruction's text, and the comments that
    stand between it and the next one."""

    at: int
    comments: tuple[str, ...]


class Layout:
    """Lays the words of one instruction out, with breaks where there were some."""

    def __init__(self, text: str, breaks: tuple[Break, ...], escape: str) -> None:
        self.text = text
        self.escape = escape
        self.breaks = breaks
        self.places = [found.at for found in breaks]
        self.done: list[str] = []
        self.line = ""
        self.indent = INDENT

    def lines(self, words: tuple[Atom, ...]) -> list[str]:
        raw = words[-1]
        within = self.within(raw.start + 1, raw.end - 1) if raw.raw else ()
        if within:
            # Its lines cannot be moved, so the others stand as they do.
            self.indent = self.blanks(within[0].at) or INDENT
        end = 0
        for place, word in enumerate(words):
            gap = self.within(end, word.start)
            if gap and place:
                self.line_end(" ", _joined(gap), self.indent)
                self.line = self.indent
            elif place and not word.tight:
                self.line += " "
            self.word(word)
            end = word.end
        last = _joined(self.within(end, len(self.text)))
        if last:
            self.line_end(" ", last, self.indent)
        return [*self.done, self.line] if self.line else self.done

    def word(self, word: Atom) -> None:
        """Write one word; where lines end in it, they do."""
        at = word.start
        for found in self.within(word.start + 1, word.end - 1):
            self.line += word.text[at - word.start : found.at - word.start]
            if found.at > at:
                self.line_end("", found.comments, self.blanks(found.at))
            else:
                self.done += [f"{self.blanks(at)}{line}" for line in found.comments]
            at = found.at
        self.line += word.text[at - word.start :] + "," * word.comma

    def line_end(self, blank: str, comments: tuple[str, ...], indent: str) -> None:
        self.done.append(f"{self.line}{blank}{self.escape}")
        self.done += [f"{indent}{comment}" for comment in comments]
        self.line = ""

    def within(self, first: int, last: int) -> tuple[Break, ...]:
        start = bisect_left(self.places, first)
        return self.breaks[start : bisect_right(self.places, last, start)]

    def blanks(self, at: int) -> str:
        """The blanks that a line starts with."""
        end = at
        while self.text[end : end + 1] in (" ", "\t"):
            end += 1
        return self.text[at:end]


def _joined(breaks: tuple[Break, ...]) -> tuple[str, ...]:
    return tuple(comment for found in breaks for comment in found.comments)
