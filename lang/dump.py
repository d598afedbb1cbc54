"""A recipe's tree as text: as BuildKit's parser dumps it, and as JSON with all places.

The dump is what `Node.Dump` of BuildKit's `frontend/dockerfile/parser` prints: of each
instruction its name, its flags and the words that its splitter finds, before anything
is understood. It can be compared, line by line, with what BuildKit makes of the file.
"""

from __future__ import annotations

from bisect import bisect_right

from lamina.lang.arguments import parse_strings
from lamina.lang.dialect import dialect_of
from lamina.lang.grammar import Grammar
from lamina.lang.lines import Fragment, scan
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.statement import parse_statement
from lamina.lang.words import Substitution
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from lamina.lang.dialect import Dialect
    from lamina.lang.lalr import ParseCache
    from lamina.lang.recipe import Recipe
    from lamina.lang.statement import Statement

    Splitter = Callable[[Statement, Fragment], Iterator[str]]

# strconv.Quote of Go; what is not printable and not here is `\x7f` or `\u00ad`.
ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def sexpr(
    source: Source, dialect: Dialect | None = None, cache: ParseCache | None = None
) -> str:
    """The tree in BuildKit's dump format, a line for each instruction.

    Nothing is said about instructions that do not exist or lack something, and all is
    read as BuildKit reads it. Raises RecipeError where words cannot be told apart: a
    quote or a heredoc without an end, an ENV that is no pair, JSON with something else
    than strings.
    """
    if dialect is None:
        dialect = dialect_of(source.name, source.text)
    dialect = replace(dialect, compat=True)
    grammar = Grammar(cache)
    scanned = scan(source, grammar.openings, dialect=dialect)
    if not scanned.lines:
        raise RecipeError("The recipe is empty.", Span(source, 0, 0))
    splitters = {**SPLITTERS, **(EXTENDED_SPLITTERS if dialect.extended else {})}
    lines = []
    for line in scanned.lines:
        whole = Fragment(line, 0, len(line.text), line.text)
        statement = parse_statement(whole, scanned.escape, grammar, dialect)
        lines.append(f"{_dump(statement, splitters)}\n")
    return "".join(lines)


def quote(text: str) -> str:
    """`text` as Go's `%q` prints it."""
    return f'"{"".join(map(_quoted, text))}"'


def _quoted(character: str) -> str:
    if character in ESCAPES or character.isprintable():
        return ESCAPES.get(character, character)
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _dump(statement: Statement, splitters: dict[str, Splitter]) -> str:
    """One instruction; an ONBUILD in an ONBUILD ... is none, and yet has a dump."""
    heads = []
    while statement.keyword == "ONBUILD" and statement.rest is not None:
        heads.append(f"({_head(statement)} ")
        statement = statement.inner(statement.rest)
    parts = [_head(statement)]
    split = splitters.get(statement.keyword)
    if split is None:
        # BuildKit keeps an empty word of what it does not know.
        parts.append(quote(""))
    elif statement.rest is not None:
        parts += map(quote, split(statement, statement.rest))
    return f"{''.join(heads)}({' '.join(parts)}){')' * len(heads)}"


def _head(statement: Statement) -> str:
    """The name and the flags."""
    name = statement.keyword.lower()
    if not statement.flags:
        return name
    given = (
        f"--{flag.name}" + ("" if flag.value is None else f"={flag.value.text}")
        for flag in statement.flags
    )
    return f"{name} [{' '.join(map(quote, given))}]"


# The splitters: those of parser.go's dispatch table.


def _text(_statement: Statement, rest: Fragment) -> Iterator[str]:
    yield rest.text


def _blanks(_statement: Statement, rest: Fragment) -> Iterator[str]:
    import re

    yield from re.split(r"[\t\v\f\r ]+", rest.text)


def _json_or(otherwise: Splitter) -> Splitter:
    def split(statement: Statement, rest: Fragment) -> Iterator[str]:
        strings = parse_strings(statement, rest)
        if strings is None:
            yield from otherwise(statement, rest)
        else:
            for string in strings:
                yield string.text

    return split


def _healthcheck(statement: Statement, rest: Fragment) -> Iterator[str]:
    kind, *command = rest.text.split(None, 1)
    yield kind
    if command:
        start = len(rest.text) - len(command[0])
        yield from _command(statement, rest.part(start, len(rest.text)))


def _pairs(statement: Statement, rest: Fragment) -> Iterator[str]:
    children = statement.tree("pairs", rest)
    if not isinstance(children[0], tuple):
        # Where quotes hold a blank, BuildKit parts the key from the rest within them.
        yield from [*_blanks_once(rest.text), ""]
        return
    for key, equals, given in children:
        yield rest.text[key.start_pos : key.end_pos]
        yield rest.text[equals.end_pos : (given or equals).end_pos]
        yield "="


def _blanks_once(text: str) -> list[str]:
    import re

    return re.split(r"[\t\v\f\r ]+", text, maxsplit=1)


def _declarations(statement: Statement, rest: Fragment) -> Iterator[str]:
    for key, equals, default in statement.tree("args", rest):
        yield rest.text[key.start_pos : (default or equals or key).end_pos]


_command = _json_or(_text)
_list = _json_or(_blanks)

SPLITTERS: dict[str, Splitter] = {
    "ADD": _list,
    "ARG": _declarations,
    "CMD": _command,
    "COPY": _list,
    "ENTRYPOINT": _command,
    "ENV": _pairs,
    "EXPOSE": _blanks,
    "FROM": _blanks,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _pairs,
    "MAINTAINER": _text,
    "ONBUILD": _text,
    "RUN": _command,
    "SHELL": _command,
    "STOPSIGNAL": _text,
    "USER": _text,
    "VOLUME": _list,
    "WORKDIR": _text,
}
EXTENDED_SPLITTERS: dict[str, Splitter] = {"TEST": _command, "UNSET": _blanks}


def as_json(recipe: Recipe) -> dict[str, Any]:
    """The whole tree as JSON's types: docs/tools.md says what is in it.

    A node is an object with its `type`, its fields and its `span`; what was not given
    is there with its default.
    """
    plain = _Plain(recipe.source).plain
    dialect = recipe.dialect
    return {
        "name": recipe.source.name,
        "dialect": {"extended": dialect.extended, "compat": dialect.compat},
        "escape": recipe.escape,
        "directives": plain(recipe.directives),
        "global_args": plain(recipe.global_args),
        "stages": [
            {
                "index": stage.index,
                "base": plain(stage.base),
                "instructions": plain(stage.instructions),
                "span": plain(stage.span),
            }
            for stage in recipe.stages
        ],
    }


class _Plain:
    """Nodes of one source as JSON's types."""

    def __init__(self, source: Source) -> None:
        self.source = source
        # Where lines start: looking for each in the text takes too long in a large one.
        ends = (at for at, sign in enumerate(source.text) if sign == "\n")
        self.starts = [0, *(at + 1 for at in ends)]

    def plain(self, node: Any) -> Any:
        if isinstance(node, Span):
            return self.place(node)
        if isinstance(node, tuple):
            return [self.plain(inner) for inner in node]
        if not hasattr(node, "__fields__"):
            return node
        # A part of a word is a string or one of these, in any depth.
        typed = {} if isinstance(node, Substitution) else {"type": type(node).__name__}
        fields = {
            name.removesuffix("_"): self.plain(inner)
            for name, inner in node.__dict__.items()
        }
        # That of a pair is worked out.
        return {**typed, **fields, "span": self.plain(node.span)}

    def place(self, span: Span) -> dict[str, Any]:
        if self.source.origins:
            return dict(span.place.__dict__)
        line, end_line = (
            bisect_right(self.starts, at) for at in (span.start, span.end)
        )
        return {
            "file": self.source.name,
            "line": line,
            "column": span.start - self.starts[line - 1] + 1,
            "end_line": end_line,
            "end_column": span.end - self.starts[end_line - 1] + 1,
        }
