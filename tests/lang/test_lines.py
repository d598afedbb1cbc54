"""Logical lines: directives, comments, continuations, heredocs, places."""

from __future__ import annotations

import pytest

from lamina.lang.dialect import Dialect
from lamina.lang.lines import Line, Opening, Scan, scan
from lamina.lang.source import RecipeError, Source


def opens_e(line: Line, dialect: Dialect) -> tuple[Opening, ...]:
    """The words of a line that are exactly `<<E` or `<<-E`."""
    found = []
    for written in ("<<E", "<<-E"):
        at = line.text.find(written)
        if at >= 0:
            found.append(Opening("E", True, "-" in written, at, at + len(written)))
    return tuple(found)


def scanned(text: str) -> Scan:
    return scan(Source("Recipe", text), opens_e)


def texts(text: str) -> list[str]:
    return [line.text for line in scanned(text).lines]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("A b\nC d\n", ["A b", "C d"]),
        ("A b", ["A b"]),
        ("\ufeffA b", ["A b"]),
        ("A b\r\nC\r\n", ["A b", "C"]),
        ("\n\n  A b  \n\n", ["A b"]),
        ("# x\nA # y\n  # z\nB", ["A # y", "B"]),
        ("RUN echo hello\\\n  world", ["RUN echo hello  world"]),
        ("RUN a \\  \t\n b", ["RUN a  b"]),
        ("RUN a \\\r\n b", ["RUN a  b"]),
        ("RUN a \\\n# not this\n b", ["RUN a  b"]),
        ("RUN a \\\n\n \n b", ["RUN a  b"]),
        ("RUN a \\\n\\\nb", ["RUN a b"]),
        ("\\\nRUN a", ["RUN a"]),
        ("RUN a\\\\\nRUN b", ["RUN a\\\\", "RUN b"]),
        ("RUN a\\\\\\\nb", ["RUN a\\\\b"]),
        ("RUN a \\", ["RUN a"]),
        ("RUN a \\\n# only a comment", ["RUN a"]),
        ("\\", []),
        ("", []),
        (
            "RUN hi \\\n \\\n world \\\n\\\n good\\\n\\\nnight",
            ["RUN hi   world  goodnight"],
        ),
    ],
)
def test_lines_are_joined(text: str, lines: list[str]) -> None:
    assert texts(text) == lines


@pytest.mark.parametrize(
    ("text", "escape", "names"),
    [
        ("# escape=`\nA", "`", ["escape"]),
        ("#escape = `  \nA", "`", ["escape"]),
        ("# ESCAPE=`\nA", "`", ["escape"]),
        ("# syntax=docker/dockerfile:1\n# escape=`\nA", "`", ["syntax", "escape"]),
        ("# check=skip=all\n# escape=`\nA", "`", ["check", "escape"]),
        ("# hello\n# escape=`\nA", "\\", []),
        ("\n# escape=`\nA", "\\", []),
        ("# other=1\n# escape=`\nA", "\\", []),
        ("A\n# escape=`\nB", "\\", []),
        ("# escape=\\\nA", "\\", ["escape"]),
        ("A\n# lamina: x\n# check=skip=B\nB", "\\", ["check"]),
        ("# a\n\n# lamina: x\n# escape=`\nB", "\\", ["lamina"]),
    ],
)
def test_directives(text: str, escape: str, names: list[str]) -> None:
    found = scanned(text)
    assert found.escape == escape
    assert [directive.name for directive in found.directives] == names


def test_what_lamina_is_told_is_kept_with_its_place() -> None:
    (told,) = scanned("\n  # lamina: clean apt=yes\nB").directives
    assert (told.value, told.heading) == ("clean apt=yes", True)
    assert (told.span.line, told.span.text) == (2, "# lamina: clean apt=yes")


def test_the_escape_character_continues_lines() -> None:
    assert texts("# escape=`\nRUN a `\n b\nRUN c:\\\nRUN d") == [
        "RUN a  b",
        "RUN c:\\",
        "RUN d",
    ]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("# escape=x\nA", "cannot be the escape", "Recipe:1:1"),
        ("# escape=`\n# escape=`", "twice", "Recipe:2:1"),
        ("A\nRUN x\0y", "NUL", "Recipe:2:6"),
        ("A\n" + "x" * 65536, "longer than 65535 bytes", "Recipe:2:1"),
        ("A\n" + "ü" * 32768, "longer than 65535 bytes", "Recipe:2:1"),
        ("RUN <<E\nfoo\n E\n", "No line `E` ends", "Recipe:1:5"),
    ],
)
def test_what_cannot_be_read(text: str, message: str, place: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        scanned(text)
    assert caught.value.place == place


def test_a_line_of_the_greatest_length() -> None:
    assert len(texts("A " + "x" * 65533)[0]) == 65535


def test_every_character_knows_where_it_was_written() -> None:
    source = Source("Recipe", "A\n  RUN a \\\n# no\n\n   b\\\nc\n")
    line = scan(source, opens_e).lines[1]
    assert line.text == "RUN a    bc"
    for place, character in enumerate(line.text):
        assert line.span(place, place + 1).text == character
    assert line.span(0, len(line.text)).text == "RUN a \\\n# no\n\n   b\\\nc"
    assert str(line.span(9, 10)) == "Recipe:5:4"
    assert str(line.span(10, 11)) == "Recipe:6:1"


def test_heredocs_hold_what_would_mean_something_elsewhere() -> None:
    body = "# no comment\n\n a \\\nE x\n  E\nRUN b\n"
    (line, after) = scanned(f"RUN <<E\n{body}E\nRUN c").lines
    ((at, heredoc),) = line.heredocs
    assert (at, heredoc.body, heredoc.span.text) == (4, body, "<<E")
    assert after.text == "RUN c"


def test_a_dash_lets_tabs_stand_before_the_end() -> None:
    (line,) = scanned("RUN <<-E\n\ta\n\t\tb\r\n\tE\n").lines
    heredoc = line.heredocs[0][1]
    assert heredoc.body == "\ta\n\t\tb\r\n"
    assert heredoc.content == "a\nb\r\n"


def test_heredocs_start_after_the_whole_line() -> None:
    (line,) = scanned("RUN <<E \\\n && b\nbody\nE\r\n").lines
    assert line.text == "RUN <<E  && b"
    assert line.heredocs[0][1].body == "body\n"
