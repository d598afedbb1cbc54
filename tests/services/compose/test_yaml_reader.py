"""YAML as the reference implementation's library reads it, with places."""

from __future__ import annotations

import pytest

from lamina.services.compose.nodes import plain
from lamina.services.compose.yaml_reader import parse_yaml, resolve
from lamina.services.errors import ComposeError


def read(text: str) -> object:
    (document,) = parse_yaml("compose.yaml", text.encode())
    return plain(document)


def refused(text: str | bytes) -> ComposeError:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ComposeError) as caught:
        parse_yaml("compose.yaml", data)
    return caught.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("2024-01-01", "2024-01-01"),
        ("0644", 0o644),
        ("0o644", 0o644),
        ("0x1F", 31),
        ("0b11", 3),
        ("08", 8),
        ("-5", -5),
        ("1_000", 1000),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("18446744073709551615", 18446744073709551615),
        ("100000000000000000000", 1e20),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("-", "-"),
        ("0x", "0x"),
        ("_1", "_1"),
        ("9" * 200, "9" * 200),
    ],
)
def test_plain_scalars(written: str, meant: object) -> None:
    found = resolve(written)
    assert (found, type(found)) == (meant, type(meant))


def test_what_is_in_quotes_is_a_text() -> None:
    assert read("""{a: "1", b: 'null', c: !!str 5}""") == {
        "a": "1",
        "b": "null",
        "c": "5",
    }


def test_each_value_and_each_key_has_its_place() -> None:
    (document,) = parse_yaml("compose.yaml", b"a:\n  b:\n    - x\n    - {c: 1}\n")
    inner = document.value["a"].value["b"].value[1]
    assert str(inner.place) == "compose.yaml:4:7"
    assert str(inner.value["c"].place) == "compose.yaml:4:11"
    assert str(document.key_place("a")) == "compose.yaml:1:1"


def test_merges_leave_alone_what_is_there() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 0}\n"
    assert read(text)["z"] == {"a": 0, "b": 1, "c": 2}  # type: ignore[index]
    assert read('{"<<": 1}') == {"<<": 1}


def test_several_documents_and_empty_ones() -> None:
    found = parse_yaml("-", b"---\na: 1\n---\n---\nb: 2\n")
    assert [plain(document) for document in found] == [{"a": 1}, {"b": 2}]


def test_anchors_are_those_of_one_document() -> None:
    assert "no anchor &a" in refused("x: &a 1\n---\ny: *a\n").message


def test_tags_of_compose_are_kept_and_others_refused() -> None:
    (document,) = parse_yaml("-", b"a: !reset null\nb: !override [1]\n")
    assert [document.value[key].tag for key in "ab"] == ["reset", "override"]
    error = refused("a: !Ref b\n")
    assert (error.message, error.place) == (
        "The tag !Ref means nothing here.",
        "compose.yaml:1:4",
    )
    assert "!!int" in refused("a: !!int x").message


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "The key 'a' is there twice, first in line 1", 3),
        ("a: {1: x}", "A key has to be a text", 1),
        ("a: &x [*x]", "*x would hold itself", 1),
        ("<<: 5", "merges mappings", 1),
        ("a: [1\nb: 2\n", "no YAML", 2),
        ("a: 1\n\tb: 2\n", "no YAML", 2),
        ("a: b: c", "mapping values are not allowed", 1),
        ("a: \0", "U+0000", 1),
        ('a: "\\0"', "holds a NUL", 1),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    text: str, said: str, line: int
) -> None:
    error = refused(text)
    assert said in error.message
    assert error.place.startswith(f"compose.yaml:{line}:")


def test_hints_for_what_goes_wrong_often() -> None:
    assert "blanks" in refused("a:\n\tb: 2\n").hint
    assert "quotes" in refused("a: b: c").hint
    assert "needs quotes" in refused("a: {b: ${C}}").hint
    assert '"1"' in refused("{1: x}").hint


def test_only_utf_8_is_read() -> None:
    error = refused(b"a: 1\nb: \xff\n")
    assert (error.message, error.place) == (
        "Byte 0xff is not valid UTF-8.",
        "compose.yaml:2:4",
    )
    assert "UTF-16" in refused("a: 1".encode("utf-16")).hint
    assert plain(parse_yaml("-", b"\xef\xbb\xbfa: 1")[0]) == {"a": 1}


def test_aliases_count_as_what_they_stand_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    assert "more than 200,000 values" in refused("\n".join(lines)).message


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert "nest" in refused(opening * 50_000).message


def test_large_files_are_refused_unread() -> None:
    assert "at most 4 MiB" in refused(b"a" * ((4 << 20) + 1)).message
