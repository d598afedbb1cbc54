"""What a regular expression reads, the parser reads in the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamina.lang import lalr, regular
from lamina.lang.dialect import EXTENDED
from lamina.lang.grammar import Grammar
from lamina.lang.lalr import Unread
from lamina.lang.parser import parse_with
from lamina.lang.recipe import Recipe
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.words import Parts
from tests.lang.parser_only import Parser
from tests.lang.strategies import extended_instructions, recipes
from tests.lang.test_fuzz import RECIPES

TREES = sorted({"line", *regular.WHOLE, *regular.NESTED, *regular.FLAT})
PATTERNS = {name: regular.regular(name) for name in ("recipe", "word")}
# What matters to one rule or another, and what is near it.
SIGNS = st.sampled_from(
    [
        *"\\`\"'$#{}[](),:=-<>|&;/*?%+@! \t\v\f\r\n\u00a0\u2028ü한0aA",
        *("  ", "--", "--a", "--a=", "<<", "<<-E", "0<<E", "$((", "))", "${", "${A"),
        *("$A", ":-", "-x", ":?", "##", "//", '"a"', "'a'", "\\$", '\\"', "a=b", "AS"),
        *("as", "CMD", "none", "cmd ", "1h", "30s", "1.5", ".5ms", "µs", "null", "1"),
        *('["a", "b"]', "[ ", " ]", " , ", '["\\u00e4"]', "target=/x", '""', "${A:-b}"),
    ]
)
TEXTS = st.lists(SIGNS, min_size=1, max_size=12).map("".join)


def written() -> str:
    """What terminals.json has to be."""
    return json.dumps(lalr.terminals(), indent=1, ensure_ascii=False) + "\n"


def test_the_terminals_are_those_of_the_grammars() -> None:
    # If not: `python -m tests.lang.test_regular`.
    assert Path(regular.TERMINALS).read_text(encoding="utf-8") == written()


def leaves(tree: Any) -> Any:
    """What is asked for of a tree."""
    if tree is None:
        return None
    if isinstance(tree, tuple):
        return tuple(map(leaves, tree))
    return tree.type, tree.start_pos, tree.end_pos


@pytest.mark.parametrize("start", TREES)
@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_trees(start: str, text: str) -> None:
    found = PATTERNS["recipe"].tree(start, text)
    if found is not None:
        assert leaves(found) == leaves(lalr.parse("recipe", start, text, None))


@pytest.mark.parametrize("start", sorted(regular.BEGINNINGS))
@settings(max_examples=500, deadline=None)
@given(TEXTS.map("[".__add__))
def test_beginnings(start: str, text: str) -> None:
    try:
        lalr.parse("recipe", start, text, None)
    except Unread:
        return
    assert PATTERNS["recipe"].begins(start, text)


@pytest.mark.parametrize("start", ["word", "document"])
@settings(max_examples=500, deadline=None)
@given(TEXTS, st.sampled_from("\\`"))
@example('a"b$C${D}\\"e"\'f\'${g:-h}', "\\")
def test_parts(start: str, text: str, escape: str) -> None:
    source = Source("Recipe", text)

    def parts(grammar: Grammar) -> Parts | str | None:
        try:
            return grammar.parts(
                start, text, lambda start, end: Span(source, start, end), escape
            )
        except RecipeError as error:
            return str(error)

    assert parts(Grammar(None)) == parts(Parser())


def read(grammar: Grammar, text: str) -> Recipe | str:
    try:
        return parse_with(grammar, Source("Recipe", text), EXTENDED)
    except RecipeError as error:
        return f"{error} {error.place}"


@settings(max_examples=150, deadline=None)
@given(recipes(extended_instructions) | RECIPES)
def test_recipes(text: str) -> None:
    assert read(Grammar(None), text) == read(Parser(), text)


if __name__ == "__main__":
    Path(regular.TERMINALS).write_text(written(), encoding="utf-8")
