"""The grammars, and the one door to lark, which opens only for text that was not
parsed before.

recipe.lark has one start rule for each sort of arguments, word.lark is quotes, escapes
and `${...}`. Both are LALR with a contextual lexer, so parsing is linear: the state of
the parser says which terminals may come next.
"""

from __future__ import annotations

import os

from lamina.lang.lines import Fragment, Line, Opening
from lamina.lang.nodes import Parts, Substitution
from lamina.lang.source import RecipeError, Span
from lamina.lang.statement import unquote
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from typing import Any, Protocol

    from lamina.lang.statement import Token

    class ParseCache(Protocol):
        """Where the caller keeps what was parsed. Keys are short ASCII names."""

        def get(self, key: str) -> bytes | None: ...
        def put(self, key: str, data: bytes) -> None: ...


STARTS = {
    "recipe": (
        "line",
        "from_",
        "pairs",
        "args",
        "words",
        "healthcheck",
        "array",
        "almost",
        "mount",
        "duration",
        "variable",
        "heredocs",
    ),
    "word": ("word", "document"),
}
# `${` in `${` in ... deeper than this is no honest recipe.
DEEPEST = 100
EXCHANGE = {ord("\\"): "`", ord("`"): "\\"}
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
    return Grammar(None).parts(start, text, lambda _: span, escape)


@value
class Leaf:
    """A terminal's place in a text: what of lark's tokens is asked for."""

    type: str
    start_pos: int
    end_pos: int


class Grammar:
    """The two grammars. What leaves it is tuples and tokens, never a lark tree."""

    def __init__(self, cache: ParseCache | None) -> None:
        self.cache = cache

    def tree(self, start: str, text: Fragment, escape: str) -> tuple[Any, ...]:
        """The children of the rule `start` in `text`: tokens, None, tuples."""
        from lark import UnexpectedInput

        if start == "line":
            plain = _plain_line(self.cache).fullmatch(text.text)
            if plain is not None:
                groups = enumerate(("KEYWORD", "REST"), 1)
                return tuple(Leaf(kind, *plain.span(g)) for g, kind in groups)
        exchanged = escape == "`" and start in ("pairs", "args")
        given = text.text.translate(EXCHANGE) if exchanged else text.text
        try:
            found: tuple[Any, ...] = self._parse("recipe", start, given)
        except UnexpectedInput as error:
            raise _unexpected(start, text, error) from None
        return found

    def array(self, text: Fragment) -> tuple[Any, ...] | None:
        """The items of a JSON array, or None when `text` is none."""
        from lark import UnexpectedInput

        try:
            items: tuple[Any, ...] = self._parse("recipe", "array", text.text)
        except UnexpectedInput:
            return None
        return items

    def refuse_array(self, text: Fragment) -> None:
        """Raise RecipeError where `text` is no JSON array but looks like one."""
        from lark import UnexpectedInput

        try:
            self._parse("recipe", "almost", text.text)
        except UnexpectedInput:
            return  # the shell's `[`, or a name that starts with one
        self.tree("array", text, "\\")

    def parts(
        self, start: str, text: str, place: Callable[[int], Span], escape: str
    ) -> Parts | None:
        """A word or document taken apart; None where nothing in it is special."""
        special = "\\$" if start == "document" else f"{escape}$\"'"
        if not any(sign in text for sign in special):
            return None
        from lark import UnexpectedInput

        given = text.translate(EXCHANGE) if escape == "`" else text
        try:
            parts: Parts = self._parse("word", start, given)
        except UnexpectedInput as error:
            raise _bad_word(text, place, error) from None
        if _depth(parts) > DEEPEST:
            raise RecipeError(f"${{ is nested more than {DEEPEST} deep.", place(0))
        return _exchange(parts) if escape == "`" else parts

    def openings(self, line: Line) -> tuple[Opening, ...]:
        """The heredocs that a line opens. Where it is no shell text, it opens none."""
        words = line.text[:200].upper().split(None, 2)
        if words[0] == "ONBUILD":
            del words[0]
        if not words or words[0] not in ("RUN", "COPY", "ADD", "TEST"):
            return ()
        from lark import UnexpectedInput

        try:
            tokens: tuple[Token, ...] = self._parse("recipe", "heredocs", line.text)
        except UnexpectedInput:
            return ()
        return tuple(_opening(line.text, token) for token in tokens)

    def _parse(self, name: str, start: str, text: str) -> Any:
        return _lark(name, self.cache).parse(text, start=start)


def _opening(text: str, token: Token) -> Opening:
    _, _, written = text[token.start_pos : token.end_pos].partition("<<")
    strip_tabs = written.startswith("-")
    written = written.removeprefix("-").lstrip()
    quoted = '"' in written or "'" in written
    name = unquote(written) if quoted or "\\" in written else written
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


class _Tuples:
    """Makes tuples of what recipe.lark finds."""

    def line(self, children: list[Any]) -> tuple[Any, ...]:
        return tuple(children)

    flag = from_ = pairs = legacy = pair = args = declaration = words = line
    healthcheck = array = other = object = mount = field = duration = heredocs = line
    variable = kind = default = items = line

    def rest(self, children: list[Any]) -> Any:
        return children[0]


class _Parts:
    """Makes Parts of what word.lark finds."""

    def word(self, children: list[Any]) -> Parts:
        return self._join(children, raw=False)

    document = argument = word

    def raw(self, children: list[Any]) -> Parts:
        return self._join(children, raw=True)

    def double(self, children: list[Any]) -> Parts:
        return self._quote(self._join(children, raw=False))

    def raw_double(self, children: list[Any]) -> Parts:
        return self._quote(self._join(children, raw=True))

    def substitution(self, children: list[Any]) -> Substitution:
        name, *more = children
        name = str(name).removeprefix("$").removeprefix("{")
        operator = str(more[0]) if more else ""
        argument, replacement = (*more[1:], (), ())[:2]
        return Substitution(name, operator, argument, replacement, False)

    def _quote(self, parts: Parts) -> Parts:
        return tuple(
            part if isinstance(part, str) else replace(part, quoted=True)
            for part in parts
        )

    def _join(self, children: list[Any], raw: bool) -> Parts:
        """Flat, neighbouring text in one piece."""
        parts: list[str | Substitution] = []
        text: list[str] = []
        for child in children:
            for part in child if isinstance(child, tuple) else (child,):
                if isinstance(part, Substitution):
                    if text:
                        parts.append("".join(text))
                        text = []
                    parts.append(part)
                else:
                    text.append(_text(part, raw))
        if text:
            parts.append("".join(text))
        return tuple(part for part in parts if part != "")


def _text(part: Any, raw: bool) -> str:
    """What a token of text stands for. In a pattern escapes stay, for the matcher."""
    kind = getattr(part, "type", None)
    if kind == "SINGLE":
        return str(part[1:-1])
    if kind in ("ESCAPE", "QUOTED_ESCAPE") and not raw:
        return str(part[1:])
    if kind == "QUOTED" and raw:
        return str(part).replace("\\", "\\\\")  # it is literal: nothing follows
    return str(part)


_larks: dict[str, Any] = {}
_plain_lines: list[re.Pattern[str]] = []


def _plain_line(cache: ParseCache | None) -> re.Pattern[str]:
    """The rule `line` without flags, by the grammar's own terminals: most lines are
    so, and a parser costs ten times as much to set out for two tokens."""
    if not _plain_lines:
        import re

        keyword, blank, rest = (
            _lark("recipe", cache).get_terminal(name).pattern.to_regexp()
            for name in ("KEYWORD", "_BLANK", "REST")
        )
        _plain_lines.append(re.compile(f"({keyword}){blank}({rest})"))
    return _plain_lines[0]


def _lark(name: str, cache: ParseCache | None) -> Any:
    """A grammar's parser: made once for a process, its tables once for a cache."""
    if name in _larks:
        return _larks[name]
    import lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    from lamina.lang.codec import cache_key, decode_tables, encode_tables

    with open(os.path.join(os.path.dirname(__file__), f"{name}.lark")) as file:
        grammar = file.read()
    key = cache_key("grammar", lark.__version__ + grammar)
    known = None if cache is None else cache.get(key)
    tables = None if known is None else decode_tables(known)
    transformer = _Tuples() if name == "recipe" else _Parts()
    if tables is None:
        parser = lark.Lark(
            grammar,
            parser="lalr",
            start=list(STARTS[name]),
            maybe_placeholders=True,
            transformer=transformer,
        )
        if cache is not None:
            data, memo = parser.memo_serialize([TerminalDef, Rule])
            del data["options"]["transformer"]  # given again by whoever loads it
            cache.put(key, encode_tables({"data": data, "memo": memo}))
    else:
        # What a parser made by `lark.tools.standalone` calls; pickle would be the other
        # way.
        load: Any = lark.Lark._load_from_dict
        parser = load(**tables, transformer=transformer)
    _larks[name] = parser
    return parser


def _unexpected(start: str, text: Fragment, error: Any) -> RecipeError:
    """What lark stumbled over, in words."""
    at = _position(text.text, error)
    sentence, hint = WRONG[start]
    sign = text.text[at : at + 1]
    if sign and sign in "\"'" and start != "array":
        sentence, hint = f"This {sign} is never closed.", ""
    span = text.at(min(at, len(text.text) - 1))
    return RecipeError(sentence, span, hint=hint)


def _position(text: str, error: Any) -> int:
    """Where lark stopped; the end of the text when it wanted more."""
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return len(text)
    at = error.pos_in_stream
    return len(text) if at is None else min(int(at), len(text))


def _bad_word(text: str, place: Callable[[int], Span], error: Any) -> RecipeError:
    """What is wrong with quotes and `${`, at the innermost that is open."""
    at = _position(text, error)
    opened = [
        token
        for token in error.state.value_stack
        if getattr(token, "type", None) in OPENERS
    ]
    hint = FORMS
    if text.startswith("'", at):
        message, hint = "This ' is never closed.", UNCLOSED
    elif opened and at >= len(text):
        message = f"{OPENERS[opened[-1].type]} is never closed."
        hint = UNCLOSED if opened[-1].type == "_QUOTE" else FORMS
        at = opened[-1].start_pos
    elif text.startswith("${", at):
        message = "No variable's name follows this ${."
    elif opened:
        message = f"{text[at]!r} cannot follow the name in ${{."
    else:
        message = "This cannot be read."
    return RecipeError(message, place(min(at, len(text) - 1)), hint=hint)
