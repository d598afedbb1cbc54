"""What holds of every word and every recipe."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamina.lang.expand import expand, expand_list
from lamina.lang.grammar import Grammar
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source, Span
from lamina.lang.statement import as_upstream
from lamina.lang.words import Word
from lamina.values import replace
from tests.lang.reference_expansion import Refused, reference, reference_list
from tests.lang.shown import outside
from tests.lang.strategies import recipes

NAMES = st.sampled_from(["a", "B_1", "empty", "unset", "한", "1", "@", "x"])
VALUES = st.text("ab*?/\\ .x\n$", max_size=8)
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(["a", "B_1", "한", "x"]), VALUES, max_size=4
).map(lambda env: {"empty": "", **env})
OPERATORS = ["", "-", ":-", "+", ":+", "?", ":?", "#", "##", "%", "%%"]
PLAIN = st.sampled_from(
    [
        *"abx*?/.:-+#%=}{[]()|^é한",
        "a*",
        "\\a",
        "\\\\",
        "\\$",
        '\\"',
        "\\*",
        "$",
        "$.",
        "`",
    ]
)


def braces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """`${NAME...}` in all its forms, with words inside."""
    return st.one_of(
        st.builds("${{{}{}{}}}".format, NAMES, st.sampled_from(OPERATORS), inner),
        st.builds(
            "${{{}{}{}/{}}}".format, NAMES, st.sampled_from(["/", "//"]), inner, inner
        ),
    )


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        braces(inner),
        inner.map('"{}"'.format),
        st.lists(inner, max_size=4).map("".join),
    )


GOOD = st.recursive(
    st.one_of(
        PLAIN, NAMES.map("${}".format), st.text("ab $\\", max_size=4).map("'{}'".format)
    ),
    wider,
    max_leaves=12,
)
# What a cat on the keyboard writes.
BAD = st.lists(
    st.sampled_from([*"a1$${}{}\"'\\:-+?#%/* `", "${", "${a", "$a"]), max_size=14
)
WORDS = st.one_of(GOOD, BAD.map("".join))


def word(text: str) -> Word:
    return Word(text, Span(Source("Recipe", text), 0, len(text)))


@settings(max_examples=600, deadline=None)
@given(WORDS, ENVIRONMENTS, st.sampled_from("\\`"))
@example('${a#"\\*"}', {"a": "\\*b"}, "\\")
@example("${a/\\//x}", {"a": "b/c"}, "\\")
@example("${a//*/x}", {"a": "b\nc"}, "\\")
@example("${a//x/y}", {}, "\\")
def test_expansion_is_what_the_reference_says(
    text: str, env: dict[str, str], escape: str
) -> None:
    try:
        expected = reference(text, env, escape)
    except Refused:
        expected = None
    try:
        found = expand(word(text), env, escape)
    except RecipeError:
        found = None
    assert found == expected


@settings(max_examples=600, deadline=None)
@given(WORDS, ENVIRONMENTS, st.sampled_from("\\`"))
@example("${a#'#'}", {"a": "#x"}, "\\")
@example("${a:%%?}", {"a": "xy"}, "\\")
@example("${+x}${/b/c}", {}, "\\")
@example("${a/\\a/b}", {"a": "a"}, "\\")
@example("${a//`*/<'$0'>}", {"a": "`b"}, "`")
def test_compat_is_what_the_reference_says(
    text: str, env: dict[str, str], escape: str
) -> None:
    source = Source("Dockerfile", text)
    try:
        parts = Grammar(None).parts(
            "word", text, lambda start, end: Span(source, start, end), escape
        )
        given = replace(word(text), parts=None if parts is None else as_upstream(parts))
        found = expand(given, env, escape)
    except RecipeError:
        found = None
    try:
        expected = reference(text, env, escape, compat=True)
    except Refused:
        expected = None
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(WORDS, ENVIRONMENTS)
def test_a_list_is_what_the_reference_says(text: str, env: dict[str, str]) -> None:
    try:
        expected = reference_list(text, env)
    except Refused:
        return
    assert list(expand_list(word(text), env)) == expected


@settings(max_examples=100, deadline=None)
@given(recipes())
def test_every_node_lies_in_its_instruction(text: str) -> None:
    try:
        recipe = parse(Source("Recipe", text))
    except RecipeError:
        return  # two settings that do not go together
    assert outside(recipe) == []
