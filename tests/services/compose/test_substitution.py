"""`$NAME` and `${NAME...}`."""

from __future__ import annotations

import pytest

from lamina.services.compose.substitution import Unresolved, substitute

VARIABLES = {"FOO": "first", "EMPTY": ""}


def resolved(text: str) -> str:
    return substitute(text, VARIABLES.get, lambda name: None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("$FOO", "first"),
        ("${FOO}", "first"),
        ("$FOO-bar", "first-bar"),
        ("a$FOO/$EMPTY.", "afirst/."),
        ("$$FOO $${FOO}", "$FOO ${FOO}"),
        ("$$$FOO", "$first"),
        ("${NONE}", ""),
        ("${NONE:-x}", "x"),
        ("${NONE-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${FOO:-x}", "first"),
        ("${FOO:?x}", "first"),
        ("${EMPTY?x}", ""),
        ("${FOO:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NONE+x}", ""),
        ("${NONE:-${FOO}}", "first"),
        ("${NONE:-${EMPTY:-${FOO} $FOO}}", "first first"),
        ("${NONE:-/non:-alphanumeric}", "/non:-alphanumeric"),
        ("${NONE-my?error}", "my?error"),
        ('${NONE:-{"a": {}}}', '{"a": {}}'),
        ("${NONE:-$$x}", "$x"),
        ("no variable", "no variable"),
    ],
)
def test_what_is_meant(text: str, meant: str) -> None:
    assert resolved(text) == meant


@pytest.mark.parametrize(
    "text",
    ["$", "${", "$}", "${}", "${ FOO}", "${FOO }", "${FOO!}", "$(date)", "$5", "${É}"],
)
def test_what_is_no_variable(text: str) -> None:
    with pytest.raises(Unresolved) as caught:
        resolved(text)
    assert "is no variable" in caught.value.message
    assert "$$" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${NONE:?give it}", "The variable NONE has to be set: give it"),
        ("${EMPTY:?give ${FOO}}", "The variable EMPTY has to be set: give first"),
        ("${NONE?}", "The variable NONE has to be set."),
    ],
)
def test_what_has_to_be_there(text: str, said: str) -> None:
    with pytest.raises(Unresolved) as caught:
        resolved(text)
    assert caught.value.message == said


def test_missing_ones_are_told_unless_there_is_another_word() -> None:
    told: list[str] = []
    substitute("$A ${B} ${C:-x} ${D+x} ${E-${F}} $EMPTY", VARIABLES.get, told.append)
    assert told == ["A", "B", "F"]


def test_nothing_grows_without_end() -> None:
    with pytest.raises(Unresolved, match="too long"):
        substitute("$A" * 100, {"A": "x" * 1_000_000}.get, lambda name: None)
    with pytest.raises(Unresolved, match="too deeply"):
        resolved("${NONE:-" * 1000 + "}" * 1000)
