"""Files of variables."""

from __future__ import annotations

import pytest

from lamina.services.compose.dotenv import parse_dotenv, parse_raw
from lamina.services.errors import ComposeError

ENVIRONMENT = {"OUTER": "from outside"}


def read(text: str) -> dict[str, str]:
    return parse_dotenv(".env", text.encode(), ENVIRONMENT.get, lambda name: None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=bar", "bar"),
        ("A =bar", "bar"),
        ("A= bar ", "bar"),
        ("  export A=bar", "bar"),
        ("export\tA=bar", "bar"),
        ("A: bar", "bar"),
        ("A: x=y", "x=y"),
        ("A=1:B", "1:B"),
        ("A=foobar=", "foobar="),
        ("A=", ""),
        ("A=bar # comment", "bar"),
        ("A=bar#no comment", "bar#no comment"),
        ("A= # comment", ""),
        ('A="bar#baz" # comment', "bar#baz"),
        ("A='bar#baz' # comment", "bar#baz"),
        ("A='$OUTER \\n'", "$OUTER \\n"),
        ('A="$OUTER"', "from outside"),
        ("A=${OUTER}!", "from outside!"),
        ("A=${NONE:-x y}", "x y"),
        ('A="a\\nb\\tc\\"d\\\\"', 'a\nb\tc"d\\'),
        ('A="a\\$OUTER"', "a$OUTER"),
        ("A=a$$b", "a$b"),
        ('A="\\0101\\x"', "A\\x"),
        ('A="one\ntwo"', "one\ntwo"),
        ("A='one\n two'", "one\n two"),
        ("A='it\\'s'", "it's"),
        ("A=two words", "two words"),
        ("A=bar\r", "bar"),
        ("# comment\n\n \t# another\nA=bar", "bar"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert read(text) == {"A": value}


def test_names_take_what_was_said_before() -> None:
    assert read("A=1\nB=${A}2\nOUTER=x\nC=$OUTER") == {
        "A": "1",
        "B": "12",
        "OUTER": "x",
        "C": "from outside",
    }


def test_a_name_alone_is_the_environment_s() -> None:
    assert read("OUTER\nNONE\nA=1") == {"OUTER": "from outside", "A": "1"}


def test_names_of_all_sorts() -> None:
    assert read("FOO.BAR=1\nexportFOO=2\na-b=3\nc[0]=4").keys() == {
        "FOO.BAR",
        "exportFOO",
        "a-b",
        "c[0]",
    }


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("A=1\nlol$wut", "no `NAME=value`", ".env:2:1"),
        ("A B=1", "no `NAME=value`", ".env:1:1"),
        ('A=1\nB="x', 'The quote " is not closed', ".env:2:3"),
        ("A=${", "is no variable", ".env:1:3"),
        ("A=${NONE:?why}", "has to be set: why", ".env:1:3"),
    ],
)
def test_what_cannot_be_read(text: str, said: str, place: str) -> None:
    with pytest.raises(ComposeError) as caught:
        read(text)
    assert said in caught.value.message
    assert caught.value.place == place


@pytest.mark.parametrize("data", [b"A=\xff", b"A=\0"])
def test_bytes_that_are_no_text(data: bytes) -> None:
    with pytest.raises(ComposeError):
        parse_dotenv(".env", data, ENVIRONMENT.get, lambda name: None)


def test_raw_lines_are_taken_as_they_are() -> None:
    text = b"# c\nA=\"q\" # $OUTER\n B='x'\nOUTER\nNONE\n"
    assert parse_raw(".env", text, ENVIRONMENT.get) == {
        "A": '"q" # $OUTER',
        "B": "'x'",
        "OUTER": "from outside",
    }


def test_nothing_grows_without_end() -> None:
    with pytest.raises(ComposeError, match="too long"):
        read("A=" + "x" * 100 + "\n" + "A=$A$A\n" * 64)
