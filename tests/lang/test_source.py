"""Bytes to text, and the excerpt that an error shows."""

from __future__ import annotations

import pytest

from lamina.lang.source import RecipeError, Source, Span, decode, excerpt


def test_utf8() -> None:
    assert decode("Recipe", "FROM ü".encode()) == Source("Recipe", "FROM ü")


@pytest.mark.parametrize(
    ("data", "place", "hint"),
    [
        (b"FROM a\nRUN \xc3\xbc\xff", "Recipe:2:6", "Save the file as UTF-8."),
        (b"\xff\xfeF\0R\0O\0M\0", "Recipe:1:1", "looks like UTF-16"),
        (b"FROM \xed\xa0\x80", "Recipe:1:6", "Save"),
    ],
)
def test_other_bytes(data: bytes, place: str, hint: str) -> None:
    with pytest.raises(RecipeError, match="not valid UTF-8") as caught:
        decode("Recipe", data)
    assert caught.value.place == place
    assert hint in caught.value.hint


def marked(text: str, start: int, end: int) -> list[str]:
    return excerpt(Span(Source("Recipe", text), start, end)).split("\n")


def test_two_lines_around() -> None:
    assert marked("a\nb\nc\nde fg\nh\ni\nj\n", 9, 11) == [
        "    2 |     b",
        "    3 |     c",
        "    4 | >>> de fg",
        "               ^^",
        "    5 |     h",
        "    6 |     i",
    ]


def test_several_lines_have_no_columns() -> None:
    assert marked("a\nb\nc", 0, 3) == [
        "    1 | >>> a",
        "    2 | >>> b",
        "    3 |     c",
    ]


def test_the_middle_of_a_long_span_is_left_out() -> None:
    lines = marked("x\n" * 1000, 0, 2000)
    assert len(lines) < 15
    assert "      | >>> ..." in lines
    assert lines[-1] == " 1000 | >>> x"


def test_a_long_line_is_shown_around_the_place() -> None:
    text = "x" * 5000 + "HERE" + "y" * 5000
    line, caret = marked(text, 5000, 5004)
    assert len(line) < 200
    at = caret.index("^")
    assert line[at : at + 4] == "HERE" and caret.strip() == "^^^^"


def test_the_end_of_the_text() -> None:
    assert marked("abc", 3, 3) == ["    1 | >>> abc", "               ^"]


@pytest.mark.parametrize(
    ("line", "marked_text", "below"),
    [
        ("\tCOPY\t--form=x a", "--form=x", "\t    \t^^^^^^^^"),
        ("COPY a\tb c", "a\tb", "     ^\t^"),
        ("COPY 漢字 --form=x", "--form=x", "          ^^^^^^^^"),
        ("COPY 漢字 b", "漢字", "     ^^^^"),
        ("COPY e\u0301 b", "b", "       ^"),
        ("COPY é b", "b", "       ^"),
        ("COPY \x1b[31m b", "b", "           ^"),
    ],
)
def test_the_mark_stands_below_what_it_marks(
    line: str, marked_text: str, below: str
) -> None:
    start = line.index(marked_text)
    _, caret = marked(line, start, start + len(marked_text))
    assert caret == " " * 12 + below


def test_nothing_in_an_excerpt_steers_a_terminal() -> None:
    text = "A \x1b]0;evil\a \x7f\x9b31m \u202e \u200b \u2028 b\r\nC\x00\r\n"
    line, caret, last = marked(text, 0, 1)
    steering = "\u241b]0;evil\u2407 \u2421\ufffd31m \ufffd \ufffd \ufffd"
    assert line == f"    1 | >>> A {steering} b"
    assert caret == " " * 12 + "^"
    assert last == "    2 |     C\u2400"
