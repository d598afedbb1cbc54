"""The reading of shell text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.lang.checks.shell import read_commands


def commands(text: str) -> list[str]:
    """Each command's words, in brackets where they hold blanks, and its operator."""
    return [
        " ".join(f"[{w.text}]" if " " in w.text else w.text for w in command.words)
        + (f" {command.after!r}" if command.after else "")
        for command in read_commands(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a b"]),
        ("a;b&&c||d|e&f", ["a ';'", "b '&&'", "c '||'", "d '|'", "e '&'", "f"]),
        ("a 'b c' \"d e\" f\\ g", ["a [b c] [d e] [f g]"]),
        ("a'b'\"c\"d", ["abcd"]),
        ("a \\\n b\nc", ["a b '\\n'", "c"]),
        ("a # b; c\nd", ["a '\\n'", "d"]),
        ("a#b", ["a#b"]),
        ("a > b 2>&1 < c >> d", ["a"]),
        ("> f a", ["a"]),
        ("a &> b; c >| d", ["a ';'", "c"]),
        ("a $(b c; d) e", ["a [$(b c; d)] e", "b c ';'", "d"]),
        ('a "$(b "c d")"', ['a [$(b "c d")]', "b [c d]"]),
        ("a `b c`", ["a [`b c`]", "b c"]),
        ("a ${b:-c d} $((1 + 2))", ["a [${b:-c d}] [$((1 + 2))]"]),
        ('"${a:-it\'s}" b', ["${a:-it's} b"]),
        ("A=b C=d e", ["e"]),
        ("A=b", []),
        ("sudo -E env A=b apt-get x", ["apt-get x"]),
        ("if a; then b; elif c; else d; fi", ["a ';'", "b ';'", "c ';'", "d ';'"]),
        ("while ! a; do b; done", ["a ';'", "b ';'"]),
        ("{ a; b; }; (c; d)", ["a ';'", "b ';'", "c ';'", "d ')'"]),
        ("f() { a; }", ["f '('", "a ';'"]),
        ("cat <<E\na; b\nE\nc", ["cat '\\n'", "c"]),
        ("cat <<-'E' | a\n\tb\n\tE\nc", ["cat '|'", "a '\\n'", "c"]),
        ("a <<< b", ["a"]),
        ("'a", ["a"]),
        ("a $(b c", ["a [$(b c]", "b"]),
        ("", []),
    ],
)
def test_commands(text: str, expected: list[str]) -> None:
    assert commands(text) == [line for line in expected if line]


def test_names_assignments_depth_and_questions() -> None:
    first, second, third = read_commands("A=b /usr/bin/x y; (if ! z; then (w); fi)")
    assert (first.name, [w.text for w in first.assignments]) == ("x", ["A=b"])
    assert (first.depth, second.depth, third.depth) == (0, 1, 2)
    assert [c.asked for c in (first, second, third)] == [False, True, False]


def test_options_and_operands() -> None:
    (command,) = read_commands("x -a -t v --b=c d -- -e")
    valued = frozenset({"-t"})
    assert command.options(valued) == {"-a": "", "-t": "v", "--b": "c"}
    assert [word.text for word in command.operands(valued)] == ["d", "-e"]


def test_words_know_their_place() -> None:
    text = "a && 'b c' $(d)"
    assert [
        text[word.start : word.end]
        for command in read_commands(text)
        for word in command.words
    ] == ["a", "'b c'", "$(d)", "d"]


PIECES = st.sampled_from(
    (
        *("a", " ", "\n", "'", '"', "`", "$(", "${", "$((", ")", "}", "(", "<<E", "E"),
        *("\\", "|", "&&", ";", ";;", "#", ">", "&", "$", "if", "!", "{", "=", "sudo"),
    )
)


@given(st.lists(PIECES).map("".join))
def test_no_text_is_too_odd(text: str) -> None:
    for command in read_commands(text):
        assert command.words
        for word in command.words:
            assert 0 <= word.start <= word.end <= len(text)


@pytest.mark.parametrize(
    "piece", ["$(", "a ", "((", "'", '"$(', "`", "${", "$(a)", "!"]
)
def test_long_texts_are_read_in_one_go(piece: str) -> None:
    read_commands(piece * 20_000)
