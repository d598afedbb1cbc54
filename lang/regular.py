"""Rules of the grammars that need no stack, as regular expressions.

Nearly all lines of a recipe are words, KEY=value pairs, flags, `$NAME`: to set out an
LALR parser for them takes ten times as long as a match, and to import lark as long as
all else that a check does. So those rules are here a second time, put together of the
grammars' own terminals. What a pattern does not match is the parser's, to read or to
refuse; what it matches, the parser reads in the same way (tests/lang/test_regular.py).

terminals.json has the terminals as lark makes regular expressions of them, so that they
cost nothing; `python -m tests.lang.test_regular` writes it.
"""

from __future__ import annotations

import json
import os
import re

from lamina.lang.words import Parts, Substitution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lamina.lang.statement import Locate

TERMINALS = os.path.join(os.path.dirname(__file__), "terminals.json")

# A name in braces is a terminal, taken as long as the lexer takes it; in parentheses
# it is a child of the rule.  Rules that are one match, in one way or another:
WHOLE: dict[str, tuple[str, ...]] = {
    "from_": ("({WORD})(?:{_BLANK}({AS}){_BLANK}({WORD}))?",),
    "healthcheck": ("({CMD})(?:{_BLANK}({ANYTHING}))?", "({NONE})"),
    "pairs": ("({KEY}){_SPACE}({ANYTHING})",),
    "array": ("{_OPEN}{_CLOSE}",),
}
# Rules that are one match after the other, each a child:
NESTED = {
    "pairs": r"({KEY})({EQUALS})({VALUE})?(?:{_SPACE}(?!\Z)|\Z)",
    "args": r"({KEY})(?:({EQUALS})({VALUE})?)?(?:{_SPACE}(?!\Z)|\Z)",
    "mount": r"({MOUNT_KEY})(?:({EQUALS})({MOUNT_VALUE})?)?(?:,(?!\Z)|\Z)",
}
# The same, where the terminals of all of them are the children:
FLAT = {
    "words": r"(?:({HEREDOC})|({WORD}))(?:{_BLANK}(?!\Z)|\Z)",
    "array": r"(?:\A{_OPEN}|(?!\A))({STRING})(?:{_COMMA}(?!\Z)|{_CLOSE}\Z)",
    "duration": "({NUMBER})({UNIT})",
    "heredocs": "({HEREDOC})|{_SHELL_WORD}|{_BLANK}",
    "every_heredoc": "({HEREDOC})|{_LOOSE_WORD}|{_BLANK}",
}
# How the text of a rule begins: without that, the parser refuses it.
BEGINNINGS = {
    "array": r"{_OPEN}(?:(?:{STRING}|{SCALAR})(?:{_COMMA}|{_CLOSE}\Z)"
    r"|{_OPEN}|{_OPEN_OBJECT}|{_CLOSE}\Z)",
    "almost": "{ALMOST}",
}
LINE = "({KEYWORD})((?:{_SPACE}{FLAG}(?:{EQUALS}{FLAG_VALUE}?)?)*)(?:{_SPACE}({REST}))?"
ONE_FLAG = "{_SPACE}({FLAG})(?:({EQUALS})({FLAG_VALUE})?)?"
CHILD = re.compile(r"\(\{(\w+)\}\)")

# The pieces of a word: text, escape, string, quote, `$NAME`, and `${NAME:-text}` with
# nothing else in it. Groups that a start rule does not have never match.
NAMED = "|({{VARIABLE}})|({{OPEN}})(?:({{CONDITION}})({{{}}})?)?{{END}}"
PIECES = {
    "word": "({PLAIN})|({ESCAPE})|({SINGLE})|({_QUOTE})" + NAMED.format("ARGUMENT"),
    "double": "({QUOTED})|({QUOTED_ESCAPE})|(?!)()|({_QUOTE})"
    + NAMED.format("ARGUMENT"),
    "document": "({BODY})|({ESCAPE})|(?!)()|(?!)()" + NAMED.format("BODY_ARGUMENT"),
}
TEXT, ESCAPE, SINGLE, QUOTE, VARIABLE, OPEN, CONDITION, ARGUMENT = range(1, 9)


class Leaf:
    """A terminal's place in a text: what of lark's tokens is asked for."""

    __slots__ = ("end_pos", "start_pos", "type")

    def __init__(self, kind: str, start: int, end: int) -> None:
        self.type = kind
        self.start_pos = start
        self.end_pos = end


class Pattern:
    """A compiled notation, and the names of the terminals that its groups are."""

    def __init__(self, notation: str, terminals: Mapping[str, str]) -> None:
        atoms = {name: f"(?>{regexp})" for name, regexp in terminals.items()}
        compiled = re.compile(notation.format_map(atoms))
        self.match = compiled.match
        self.fullmatch = compiled.fullmatch
        self.kinds = CHILD.findall(notation)

    def leaves(self, found: re.Match[str]) -> tuple[Leaf | None, ...]:
        """The children in a match; None for what is optional and not there."""
        return tuple(
            [
                None if start < 0 else Leaf(kind, start, end)
                for kind, (start, end) in zip(self.kinds, found.regs[1:], strict=True)
            ]
        )


_grammars: dict[str, Regular] = {}


def regular(name: str) -> Regular:
    """The patterns of a grammar, made once for a process."""
    if not _grammars:
        with open(TERMINALS, encoding="utf-8") as file:
            found = json.load(file)
        _grammars.update((grammar, Regular(it)) for grammar, it in found.items())
    return _grammars[name]


class Regular:
    """The patterns of one grammar, each compiled when it is first asked for."""

    def __init__(self, terminals: Mapping[str, str]) -> None:
        self._terminals = terminals
        self._patterns: dict[str, Pattern] = {}

    def _pattern(self, notation: str) -> Pattern:
        pattern = self._patterns.get(notation)
        if pattern is None:
            pattern = self._patterns[notation] = Pattern(notation, self._terminals)
        return pattern

    def begins(self, start: str, text: str) -> bool:
        """Whether the rule may read `text`: a look at its beginning."""
        return self._pattern(BEGINNINGS[start]).match(text) is not None

    def tree(self, start: str, text: str) -> tuple[Any, ...] | None:
        """The children of the rule `start`; None where `text` is the parser's."""
        if start == "line":
            return self._line(text)
        if start in NESTED:
            children = self._each(NESTED[start], text)
            if children is not None:
                return tuple(children)
        if start in FLAT:
            children = self._each(FLAT[start], text)
            if children is not None:
                return tuple(leaf for child in children for leaf in child if leaf)
        for notation in WHOLE.get(start, ()):
            pattern = self._pattern(notation)
            found = pattern.fullmatch(text)
            if found is not None:
                return pattern.leaves(found)
        return None

    def _each(self, notation: str, text: str) -> list[tuple[Leaf | None, ...]] | None:
        pattern = self._pattern(notation)
        children = []
        at = 0
        while at < len(text):
            found = pattern.match(text, at)
            if found is None:
                return None
            children.append(pattern.leaves(found))
            at = found.end()
        return children or None

    def _line(self, text: str) -> tuple[Any, ...] | None:
        found = self._pattern(LINE).fullmatch(text)
        if found is None:
            return None
        children: list[Any] = [Leaf("KEYWORD", 0, found.end(1))]
        at, end = found.span(2)
        if at < end:
            flag = self._pattern(ONE_FLAG)
            while at < end:
                one = flag.match(text, at)
                assert one is not None
                children.append(flag.leaves(one))
                at = one.end()
        if found.start(3) >= 0:
            children.append(Leaf("REST", *found.span(3)))
        return tuple(children)

    def parts(self, start: str, text: str, place: Locate) -> Parts | None:
        """A word or document taken apart; None where that is the parser's."""
        pieces = self._pattern(PIECES[start]).match
        parts: list[str | Substitution] = []
        literal: list[str] = []
        quoted = False
        at = 0
        while at < len(text):
            found = pieces(text, at)
            if found is None:
                return None
            kind, at = found.lastindex, found.end()
            if kind == TEXT:
                literal.append(found[0])
            elif kind == ESCAPE:
                literal.append(found[0][1:])
            elif kind == SINGLE:
                literal.append(found[0][1:-1])
            elif kind == QUOTE:
                quoted = not quoted
                name = "double" if quoted else start
                pieces = self._pattern(PIECES[name]).match
            else:
                if any(literal):
                    parts.append("".join(literal))
                literal = []
                parts.append(_substitution(found, quoted, place))
        if quoted:
            return None
        if any(literal):
            parts.append("".join(literal))
        return tuple(parts)


def _substitution(found: re.Match[str], quoted: bool, place: Locate) -> Substitution:
    span = place(*found.span())
    if found.lastindex == VARIABLE:
        return Substitution(found[0][1:], "", (), (), quoted, span)
    argument = found[ARGUMENT]
    return Substitution(
        found[OPEN][2:],
        found[CONDITION] or "",
        (argument,) if argument else (),
        (),
        quoted,
        span,
    )
