"""A statement: one logical line parted into keyword, flags and the rest."""

from __future__ import annotations

from lamina.lang import quirks
from lamina.lang.dialect import DOCKERFILE, SWITCH, Dialect
from lamina.lang.lines import Fragment, Line
from lamina.lang.source import RecipeError, Span
from lamina.lang.suggest import did_you_mean
from lamina.lang.words import Parts, Word
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    Locate = Callable[[int, int], Span]

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
            self, start: str, text: str, place: Locate, escape: str
        ) -> Parts | None:
            """A word taken apart; None where nothing in it is special. `place` says
            where the characters from `start` up to `end` of the text stand."""


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
        if not self.flags:
            return ()
        found = [flag for flag in self.flags if flag.name == name]
        if self.dialect.keeps(quirks.EMPTY_FLAGS):
            found = [f for f in found if f.value is None or f.value.text]
        return tuple(flag.given for flag in found)

    def text(self, name: str) -> Fragment | None:
        """The value of a flag, or None when it is not there."""
        return next(iter(self.all(name)), None) if self.flags else None

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
        return Word(text.text, text.span, self.parts("word", text.text, text.within))

    def parts(self, start: str, text: str, place: Locate) -> Parts | None:
        """A word or, with the start `document`, a heredoc's text taken apart."""
        escape = "\\" if start == "document" else self.escape
        try:
            parts = self.grammar.parts(start, text, place, escape)
        except RecipeError:
            if self.dialect.keeps(quirks.LATE_WORDS):
                return None  # expanding it will say so again
            raise
        if parts is None:
            return None
        return as_upstream(parts) if self.dialect.keeps(quirks.GROUPS) else named(parts)

    def tree(self, start: str, text: Fragment) -> tuple[Any, ...]:
        """The children of the grammar's rule `start` in `text`."""
        return self.grammar.tree(start, text, self.escape)

    def inner(self, text: Fragment) -> Statement:
        """The statement in a part of this one's line, as ONBUILD has it."""
        return parse_statement(text, self.escape, self.grammar, self.dialect)


def as_upstream(parts: Parts) -> Parts:
    """The parts with operators that do what BuildKit's do: `//$` for `//`."""
    return tuple(
        part
        if isinstance(part, str)
        else replace(
            part,
            operator=_UPSTREAM.get(part.operator, part.operator),
            argument=as_upstream(part.argument),
            replacement=as_upstream(part.replacement),
        )
        for part in parts
    )


_UPSTREAM = {sign: f"{sign}$" for sign in ("#", "##", "%", "%%", "/", "//")}
_UPSTREAM |= {f":{sign}": f"{sign}$" for sign in ("#", "##", "%", "%%")}


def named(parts: Parts) -> Parts:
    """The parts, if they are none that only BuildKit takes."""
    for part in parts:
        if isinstance(part, str) or not part.operator:
            continue
        if not part.name:
            raise RecipeError("No variable's name follows this ${.", part.span)
        if part.operator[0] == ":" and part.operator[1] in "#%":
            sign = part.operator[1:]
            raise RecipeError(
                f"A colon means nothing before {sign}.",
                part.span,
                hint=f"Write ${{{part.name}{sign}...}}.",
            )
        named(part.argument)
        named(part.replacement)
    return parts


def parse_statement(
    text: Fragment, escape: str, grammar: Grammar, dialect: Dialect = DOCKERFILE
) -> Statement:
    """Part `text` into keyword, flags and the rest."""
    keyword, *others = grammar.tree("line", text, escape)
    flags = []
    rest = None
    for child in others:
        if isinstance(child, tuple):
            flags.append(_flag(text, escape, *child))
        else:
            rest = text.part(child.start_pos, child.end_pos)
    name = text.text[keyword.start_pos : keyword.end_pos].upper()
    return Statement(
        name, tuple(flags), rest, text, text.line, escape, grammar, dialect
    )


def _flag(
    text: Fragment,
    escape: str,
    name: Token,
    equals: Token | None,
    given: Token | None,
) -> Flag:
    end = (given or equals or name).end_pos
    value = None
    if equals is not None:
        value = text.part(equals.end_pos, end)
        if any(sign in value.text for sign in (escape, '"', "'")):
            value = value.unquoted(unquote(value.text, escape))
    return Flag(
        text.text[name.start_pos + 2 : name.end_pos],
        value,
        text.part(name.start_pos, end),
    )


def unquote(text: str, escape: str) -> str:
    """`text` without its quotes and the escape characters that escape in it."""
    import re

    sign = re.escape(escape)
    inside = re.compile(rf"{sign}(.)|{sign}\Z", re.DOTALL)
    string = rf"""("(?:[^"{sign}]|{sign}.)*"|'(?:[^'{sign}]|{sign}.)*')"""
    return "".join(
        inside.sub(r"\1", piece[1:-1] if place % 2 else piece)
        for place, piece in enumerate(re.split(string, text, flags=re.DOTALL))
    )
