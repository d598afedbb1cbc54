"""Whatever a recipe holds, parse gives a Recipe or says what is wrong with it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.lang.checks.checking import check
from lamina.lang.codec import decode, encode
from lamina.lang.expand import expand, expand_heredoc, expand_list
from lamina.lang.instructions import TABLE
from lamina.lang.parser import parse, parse_trigger
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.source import decode as decode_source
from lamina.lang.variables import words
from lamina.lang.words import Heredoc, Word

PIECES = st.sampled_from(
    [
        *"\\`\"'$#{}[](),:=-<>|&;/*?%+@ \t\r\n\n\n\u00a0\u2028ü한\ufeff\x0b\x0c",
        *("${", "${A", "$A", ":-", ":?", "##", "//", "<<E", "<<-'E'", "\nE\n", "\\\n"),
        *("# escape=`\n", "# check=skip=all\n", "# lamina: x\n", "\n#", " \\ \n", "--"),
        *("A", "b", "1", "a=b", '"x"', '["a", "b"]', "['a']", "[1]", '["\\ud800"]'),
        *("--from=a", "--from=0", "--mount=type=cache,target=/x", "--link", "--x=y"),
        *("--interval=1m", "--chown=$A", "--network=none", "--include=a", " AS a"),
        *("FROM a\n", "\nFROM scratch AS a\n", "FROM bootstrap:debian/bookworm "),
        *(f"\n{name} " for name in TABLE),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)
RECIPES = st.one_of(TEXTS, TEXTS.map("FROM base\n".__add__), st.text(max_size=80))
ENV = {"A": "1 2", "b": ""}


@settings(max_examples=400, deadline=None)
@given(RECIPES)
def test_recipes(text: str) -> None:
    source = Source("Recipe", text)
    try:
        recipe = parse(source)
    except RecipeError as error:
        assert error.message and error.excerpt
        assert 0 <= error.span.start <= error.span.end <= len(text)
        return
    assert decode(encode(recipe), source, recipe.dialect) == recipe
    for finding in check(recipe):
        assert finding.span.text
    for stage in recipe.stages:
        for instruction in (stage.base, *stage.instructions):
            assert instruction.span.text
            for word in words(instruction):
                use(word)


def use(word: Word | Heredoc) -> None:
    try:
        if isinstance(word, Heredoc):
            expand_heredoc(word, ENV)
        else:
            expand(word, ENV)
            expand_list(word, ENV)
    except RecipeError as error:
        place = word.lines if isinstance(word, Heredoc) else word.span
        assert place.start <= error.span.start <= error.span.end <= place.end


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from("\\`"))
def test_triggers(text: str, escape: str) -> None:
    span = Span(Source("Recipe", "FROM a"), 0, 6)
    try:
        assert parse_trigger(text, escape, span).span == span
    except RecipeError as error:
        assert error.span == span


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), TEXTS.map(str.encode)))
def test_bytes(data: bytes) -> None:
    try:
        parse(decode_source("Recipe", data))
    except RecipeError as error:
        assert error.place.startswith("Recipe:")


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from("\\`"))
def test_loose_words(text: str, escape: str) -> None:
    word = Word(text, Span(Source("Recipe", text), 0, len(text)))
    try:
        result = expand(word, ENV, escape)
    except RecipeError as error:
        assert error.message
        return
    assert "".join(expand_list(word, ENV, escape)).split() == result.split() or (
        set(text) & {'"', "'", escape, "$"}
    )
