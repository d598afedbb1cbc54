"""The grammars: what instructions, words and heredocs ask of them.

Each question goes to a regular expression first (`lang.regular`) and, where that has no
answer, to the parser (`lang.lalr`), whose refusals become sentences here.
"""

from __future__ import annotations

from lamina.lang import quirks
from lamina.lang.lalr import Unread, parse
from lamina.lang.lines import Fragment, Line, Opening
from lamina.lang.regular import Regular, regular
from lamina.lang.source import RecipeError, Span, UnclosedQuote
from lamina.lang.statement import named, unquote
from lamina.lang.words import Parts, Substitution
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.lang.dialect import Dialect
    from lamina.lang.lalr import ParseCache
    from lamina.lang.statement import Locate, Token

BLANKS = " \t\v\f\r"
# `${` in `${` in ... deeper than this is no honest recipe.
DEEPEST = 100
EXCHANGE = {ord("\\"): "`", ord("`"): "\\"}
# The rules in which `\` stands for the escape character.
ESCAPED = frozenset({"line", "pairs", "args"})
OPENERS = {"OPEN": "This ${", "_QUOTE": 'This "', "REPLACE": "This / in ${"}
FORMS = (
    "A $ or a quote that is meant as text is escaped. The forms of ${ are ${N} "
    "${N:-default} ${N:+other} ${N:?message} ${N#start} ${N%end} ${N/old/new}."
)
UNCLOSED = "A quote that is meant as text is escaped, or stands in the other quotes."
WRONG = {
    "line": ("This flag cannot be read.", "Write --name=value, in quotes if need be."),
    "from_": (
        "FROM takes an image, then perhaps AS and a name.",
        "As in FROM debian AS x.",
    ),
    "pairs": ("KEY=value should be here.", "Put a value with blanks in quotes."),
    "args": ("NAME or NAME=default should be here.", "Put blanks in quotes."),
    "healthcheck": (
        "HEALTHCHECK takes NONE, or CMD and a command.",
        "Flags stand before CMD.",
    ),
    "mount": (
        "A mount is key=value fields with commas between them.",
        "As in --mount=type=cache,target=/root/.cache",
    ),
    "duration": ("This is not a time.", "As in 30s, 1m30s, 500ms."),
    "array": (
        "This is where a JSON array stops being one.",
        "Strings stand in double quotes, with commas between them and none at the end.",
    ),
    "variable": (
        "A variable is a name, a type, and perhaps a default and a description.",
        'As in `# lamina: var python:str = "3.12" "the version of Python"`.',
    ),
}


def take_apart(start: str, text: str, span: Span, escape: str) -> Parts | None:
    """The parts of a `word` or `document`; None where nothing in it is special."""
    parts = Grammar(None).parts(start, text, lambda _start, _end: span, escape)
    return None if parts is None else named(parts)


class Grammar:
    """The two grammars. What leaves it is tuples and tokens, never a lark tree."""

    def __init__(self, cache: ParseCache | None) -> None:
        self.cache = cache

    def tree(self, start: str, text: Fragment, escape: str) -> tuple[Any, ...]:
        """The children of the rule `start` in `text`: tokens, None, tuples."""
        exchanged = escape == "`" and start in ESCAPED
        given = text.text.translate(EXCHANGE) if exchanged else text.text
        try:
            return self._tree(start, given)
        except Unread as error:
            raise _unexpected(start, text, error) from None

    def array(self, text: Fragment) -> tuple[Any, ...] | None:
        """The items of a JSON array, or None when `text` is none."""
        if not self._patterns("recipe").begins("array", text.text):
            return None
        try:
            return self._tree("array", text.text)
        except Unread:
            return None

    def refuse_array(self, text: Fragment) -> None:
        """Raise RecipeError where `text` is no JSON array but looks like one."""
        if not self._patterns("recipe").begins("almost", text.text):
            return
        try:
            self._tree("almost", text.text)
        except Unread:
            return  # the shell's `[`, or a name that starts with one
        self.tree("array", text, "\\")

    def parts(self, start: str, text: str, place: Locate, escape: str) -> Parts | None:
        """A word or document taken apart; None where nothing in it is special.
        `place(start, end)` is where its characters stand."""
        quotes = start == "word" and ('"' in text or "'" in text)
        if not quotes and "$" not in text and escape not in text:
            return None
        exchanged = escape == "`"
        given = text.translate(EXCHANGE) if exchanged else text
        parts = self._patterns("word").parts(start, given, place)
        if parts is None:
            parts = self._parsed_parts(start, given, place)
        return _exchange(parts) if exchanged else parts

    def _parsed_parts(self, start: str, text: str, place: Locate) -> Parts:
        try:
            parts: Parts = self._parse("word", start, text)
        except Unread as error:
            raise _bad_word(text, place, error) from None
        if _depth(parts) > DEEPEST:
            raise RecipeError(f"${{ is nested more than {DEEPEST} deep.", place(0, 1))
        return _placed(parts, place)

    def openings(self, line: Line, dialect: Dialect) -> tuple[Opening, ...]:
        """The heredocs that a line opens. Where it is no shell text, it opens none."""
        words = line.text[:200].upper().split(None, 2)
        if words[0] == "ONBUILD":
            del words[0]
        if not words or words[0] not in ("RUN", "COPY", "ADD", "TEST"):
            return ()
        upstream = dialect.keeps(quirks.HEREDOC_WORDS)
        try:
            if upstream:
                self.parts("word", line.text, line.span, "\\")
            start = "every_heredoc" if upstream else "heredocs"
            tokens: tuple[Token, ...] = self._tree(start, line.text)
        except (Unread, RecipeError):
            return ()
        return tuple(_opening(line.text, token) for token in tokens)

    def _tree(self, start: str, text: str) -> tuple[Any, ...]:
        """The children of a rule of recipe.lark. Raises Unread."""
        children = self._patterns("recipe").tree(start, text)
        if children is None:
            children = self._parse("recipe", start, text)
        return children

    def _patterns(self, name: str) -> Regular:
        return regular(name)

    def _parse(self, name: str, start: str, text: str) -> Any:
        return parse(name, start, text, self.cache)


def _opening(text: str, token: Token) -> Opening:
    _, _, written = text[token.start_pos : token.end_pos].partition("<<")
    strip_tabs = written.startswith("-")
    written = written.removeprefix("-").lstrip()
    quoted = '"' in written or "'" in written
    name = unquote(written, "\\") if quoted or "\\" in written else written
    return Opening(name, not quoted, strip_tabs, token.start_pos, token.end_pos)


def _depth(parts: Parts) -> int:
    """How deep substitutions are nested; a loop, because a text may nest 100,000."""
    depth = 0
    while parts:
        inner: list[str | Substitution] = []
        for part in parts:
            if isinstance(part, Substitution):
                inner += part.argument + part.replacement
        parts = tuple(inner)
        depth += 1
    return depth


def _placed(parts: Parts, place: Locate) -> Parts:
    """The parts with places in the recipe for those in the text."""
    return tuple(
        part
        if isinstance(part, str)
        else replace(
            part,
            argument=_placed(part.argument, place),
            replacement=_placed(part.replacement, place),
            span=place(part.span.start, part.span.end),
        )
        for part in parts
    )


def _exchange(parts: Parts) -> Parts:
    """The parts with the escape character back where it was."""
    return tuple(
        part.translate(EXCHANGE)
        if isinstance(part, str)
        else replace(
            part,
            argument=_exchange(part.argument),
            replacement=_exchange(part.replacement),
        )
        for part in parts
    )


def _unexpected(start: str, text: Fragment, error: Unread) -> RecipeError:
    """What the parser stumbled over, in words."""
    at = error.at
    sentence, hint = WRONG[start]
    sign = text.text[at : at + 1]
    if sign and sign in "\"'" and start != "array":
        return UnclosedQuote(f"This {sign} is never closed.", text.at(at))
    at = max(0, min(at, len(text.text) - 1))
    signs = start in ("array", "variable")
    place = (at, at + 1) if signs else _word_at(text.text, at, start)
    if text.text.startswith("#", place[0]):
        hint = "A comment stands on a line of its own."
    return RecipeError(sentence, text.within(*place), hint=hint)


def _word_at(text: str, at: int, start: str) -> tuple[int, int]:
    """The word that holds a character, or the one before; of a mount, the field."""
    ends = BLANKS + ("," if start == "mount" else "")
    while at and text[at] in BLANKS:
        at -= 1
    first = max(text.rfind(sign, 0, at) for sign in ends) + 1
    found = [end for end in (text.find(sign, at) for sign in ends) if end >= 0]
    return first, max(min(found, default=len(text)), at + 1)


def _bad_word(text: str, place: Locate, error: Unread) -> RecipeError:
    """What is wrong with quotes and `${`, at the innermost that is open."""
    at = error.at
    opened = [token for token in error.opened if token[0] in OPENERS]
    if text.startswith("'", at):
        span = place(at, at + 1)
        return UnclosedQuote("This ' is never closed.", span, hint=UNCLOSED)
    if opened and at >= len(text):
        kind, at = opened[-1]
        message = f"{OPENERS[kind]} is never closed."
        if kind == "_QUOTE":
            return UnclosedQuote(message, place(at, at + 1), hint=UNCLOSED)
    elif text.startswith("${", at):
        message = "No variable's name follows this ${."
    elif opened:
        message = f"{text[at]!r} cannot follow the name in ${{."
    else:
        message = "This cannot be read."
    at = min(at, len(text) - 1)
    return RecipeError(message, place(at, at + 1), hint=FORMS)
