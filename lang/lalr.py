"""The LALR parsers, and the one door to lark.

It opens late: `lang.grammar` first tries what a regular expression can read, and lark's
import alone costs as much as the rest of a check. recipe.lark has one start rule for
each sort of arguments, word.lark is quotes, escapes and `${...}`. The lexer is
contextual, so parsing is linear: the state of the parser says which terminals may come
next.
"""

from __future__ import annotations

import os

from lamina.lang.codec import cache_key, decode_tables, encode_tables
from lamina.lang.source import Source, Span
from lamina.lang.words import Parts, Substitution
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

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
        "every_heredoc",
    ),
    "word": ("word", "document"),
}
# What the places within a text are said to be in, until its own place is known.
_TEXT = Source("", "")


class Unread(Exception):
    """A text that a rule cannot read: where that ends, and what is open there, by the
    names of terminals and their places, the outermost first."""

    def __init__(self, at: int, opened: tuple[tuple[str, int], ...]) -> None:
        super().__init__(at)
        self.at = at
        self.opened = opened


def parse(name: str, start: str, text: str, cache: ParseCache | None) -> Any:
    """What `_Tuples` or `_Parts` make of a text. Raises Unread."""
    parser = _lark(name, cache)
    from lark import UnexpectedInput

    try:
        return parser.parse(text, start=start)
    except UnexpectedInput as error:
        raise Unread(_position(text, error), _opened(error)) from None


def terminals() -> dict[str, dict[str, str]]:
    """The terminals of both grammars as regular expressions, as terminals.json has
    them."""
    return {
        name: {it.name: it.pattern.to_regexp() for it in _lark(name, None).terminals}
        for name in STARTS
    }


def _opened(error: Any) -> tuple[tuple[str, int], ...]:
    state = getattr(error, "state", None)
    stack = getattr(state, "value_stack", ())
    return tuple(
        (token.type, token.start_pos)
        for token in stack
        if getattr(token, "start_pos", None) is not None
    )


def _position(text: str, error: Any) -> int:
    """Where lark stopped; the end of the text when it wanted more."""
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return len(text)
    at = error.pos_in_stream
    return len(text) if at is None else min(int(at), len(text))


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
    """Makes Parts of what word.lark finds; places are counted from the text's start."""

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
        first, *more = children
        end = more.pop() if more else first
        name = str(first).removeprefix("$").removeprefix("{")
        operator = str(more[0]) if more else ""
        argument, replacement = (*more[1:], (), ())[:2]
        span = Span(_TEXT, first.start_pos, end.end_pos)
        return Substitution(name, operator, argument, replacement, False, span)

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
                    text.append(_literal(part, raw))
        if text:
            parts.append("".join(text))
        return tuple(part for part in parts if part != "")


def _literal(part: Any, raw: bool) -> str:
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


def _lark(name: str, cache: ParseCache | None) -> Any:
    """A grammar's parser: made once for a process, its tables once for a cache."""
    if name in _larks:
        return _larks[name]
    import lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

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
