"""A statement: one logical line parted into keyword, flags and the rest."""

from __future__ import annotations

from lamina.lang import quirks
from lamina.lang.dialect import DOCKERFILE, SWITCH, Dialect
from lamina.lang.lines import Fragment, Line
from lamina.lang.nodes import Parts, Word
from lamina.lang.source import RecipeError, Span
from lamina.lang.suggest import did_you_mean
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Token(Protocol):
        """What a grammar's leaf is: its type and its place in the fragment."""

        type: str
        start_pos: int
        end_pos: int

    class Grammar(Protocol):
        """The grammars, as `lang.parser` opens them."""

        def tree(self, start: str, text: Fragment, escape: str) -> tuple[Any, ...]:
            """The children of the rule `start` in `text`, or RecipeError."""

        def array(self, text: Fragment) -> tuple[Any, ...] | None:
            """The items of a JSON array, or None when `text` is none."""

        def refuse_array(self, text: Fragment) -> None:
            """Raise RecipeError where `text` looks like a JSON array and is none."""

        def parts(
            self, start: str, text: str, place: Callable[[int], Span], escape: str
        ) -> Parts | None:
            """A word taken apart; None where nothing in it is special. Errors stand
            at `place(n)`, for the character n of the text."""


REPEATABLE = frozenset({"mount", "exclude", "device", "env"})
TRUTH = {"true": True, "false": False}


@value
class Flag:
    """`--name=value`; `value` is None where there is no `=`."""

    name: str
    value: Fragment | None
    place: Fragment

    @property
    def given(self) -> Fragment:
        """The value, which has to be there."""
        if self.value is None or not self.value.text:
            raise RecipeError(
                f"--{self.name} needs a value.",
                self.place.span,
                hint=f"Write --{self.name}=VALUE, without blanks.",
            )
        return self.value


@value
class Statement:
    """An instruction before its arguments are understood."""

    keyword: str
    flags: tuple[Flag, ...]
    rest: Fragment | None
    whole: Fragment
    line: Line
    escape: str
    grammar: Grammar
    dialect: Dialect = DOCKERFILE

    @property
    def span(self) -> Span:
        return self.whole.span

    @property
    def arguments(self) -> Fragment:
        """The rest, which has to be there."""
        if self.rest is None:
            raise RecipeError(f"{self.keyword} needs an argument.", self.span)
        return self.rest

    def check_flags(
        self, known: frozenset[str], extended: frozenset[str] = frozenset()
    ) -> None:
        """Refuse flags that are there twice, or not `known`. Those of `extended` are,
        in extended recipes."""
        if self.dialect.extended:
            known |= extended
        seen = set()
        for flag in self.flags:
            if flag.name not in known:
                raise RecipeError(
                    f"{self.keyword} has no flag --{flag.name}.",
                    flag.place.span,
                    hint=self._flags_hint(flag.name, known, extended),
                )
            if flag.name in seen and flag.name not in REPEATABLE:
                raise RecipeError(f"--{flag.name} is there twice.", flag.place.span)
            seen.add(flag.name)

    def _flags_hint(
        self, name: str, known: frozenset[str], extended: frozenset[str]
    ) -> str:
        if name in extended:
            return f"--{name} is Lamina's own. {SWITCH}"
        near = did_you_mean(f"--{name}", [f"--{other}" for other in known])
        if near:
            return near
        if known:
            return "It has " + ", ".join(f"--{name}" for name in sorted(known)) + "."
        return "It has no flags. Arguments that start with dashes come after a `--`."

    def all(self, name: str) -> tuple[Fragment, ...]:
        """The values of a flag that may stand several times."""
        found = [flag for flag in self.flags if flag.name == name]
        if self.dialect.keeps(quirks.EMPTY_FLAGS):
            found = [f for f in found if f.value is None or f.value.text]
        return tuple(flag.given for flag in found)

    def text(self, name: str) -> Fragment | None:
        """The value of a flag, or None when it is not there."""
        return next(iter(self.all(name)), None)

    def flag_word(self, name: str) -> Word | None:
        given = self.text(name)
        return None if given is None else self.word(given)

    def truth(self, name: str) -> bool | None:
        """The value of `--name[=true|false]`, or None when it is not there."""
        for flag in self.flags:
            if flag.name == name:
                text = "true" if flag.value is None else flag.value.text.lower()
                if text not in TRUTH:
                    raise RecipeError(
                        f"--{name} is true or false, not {text!r}.", flag.place.span
                    )
                return TRUTH[text]
        return None

    def word(self, text: Fragment) -> Word:
        return Word(text.text, text.span, self.parts("word", text.text, text.at))

    def parts(
        self, start: str, text: str, place: Callable[[int], Span]
    ) -> Parts | None:
        """A word or, with the start `document`, a heredoc's text taken apart."""
        escape = "\\" if start == "document" else self.escape
        try:
            parts = self.grammar.parts(start, text, place, escape)
        except RecipeError:
            if self.dialect.keeps(quirks.LATE_WORDS):
                return None  # expanding it will say so again
            raise
        if parts is not None and self.dialect.keeps(quirks.GROUPS):
            parts = with_groups(parts)
        return parts

    def tree(self, start: str, text: Fragment) -> tuple[Any, ...]:
        """The children of the grammar's rule `start` in `text`."""
        return self.grammar.tree(start, text, self.escape)

    def inner(self, text: Fragment) -> Statement:
        """The statement in a part of this one's line, as ONBUILD has it."""
        return parse_statement(text, self.escape, self.grammar, self.dialect)


def with_groups(parts: Parts) -> Parts:
    """The parts with the operator `//$` for `//`."""
    return tuple(
        part
        if isinstance(part, str)
        else replace(
            part,
            operator="//$" if part.operator == "//" else part.operator,
            argument=with_groups(part.argument),
            replacement=with_groups(part.replacement),
        )
        for part in parts
    )


def parse_statement(
    text: Fragment, escape: str, grammar: Grammar, dialect: Dialect = DOCKERFILE
) -> Statement:
    """Part `text` into keyword, flags and the rest."""
    keyword, *others = grammar.tree("line", text, escape)
    flags = []
    rest = None
    for child in others:
        if isinstance(child, tuple):
            flags.append(_flag(text, *child))
        else:
            rest = text.part(child.start_pos, child.end_pos)
    name = text.text[keyword.start_pos : keyword.end_pos].upper()
    return Statement(
        name, tuple(flags), rest, text, text.line, escape, grammar, dialect
    )


def _flag(
    text: Fragment, name: Token, equals: Token | None, given: Token | None
) -> Flag:
    end = (given or equals or name).end_pos
    value = None
    if equals is not None:
        value = text.part(equals.end_pos, end)
        if any(sign in value.text for sign in "\\\"'"):
            value = value.unquoted(unquote(value.text))
    return Flag(
        text.text[name.start_pos + 2 : name.end_pos],
        value,
        text.part(name.start_pos, end),
    )


def unquote(text: str) -> str:
    """`text` without its quotes and the backslashes that escape in it."""
    import re

    inside = re.compile(r"\\(.)|\\\Z", re.DOTALL)
    pieces = re.split(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", text)
    return "".join(
        inside.sub(r"\1", piece[1:-1] if place % 2 else piece)
        for place, piece in enumerate(pieces)
    )
