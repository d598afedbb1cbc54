from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.lang.assist.positions import UNITS, positions

TEXT = "aé\r\n\N{GRINNING FACE}b\rc\x0cd\u2028e\n"


@pytest.mark.parametrize(
    ("unit", "line", "character", "expected"),
    [
        ("utf-16", 0, 2, "\r\n"),
        ("utf-16", 0, 9, "\r\n"),
        ("utf-8", 0, 3, "\r\n"),
        ("utf-16", 1, 2, "b\r"),
        ("utf-16", 1, 1, "\N{GRINNING FACE}"),
        ("utf-8", 1, 4, "b\r"),
        ("utf-32", 1, 1, "b\r"),
        ("utf-16", 2, 4, "e\n"),
        ("utf-16", 3, 0, ""),
        ("utf-16", 99, 0, ""),
    ],
)
def test_offsets(unit: str, line: int, character: int, expected: str) -> None:
    found = positions(TEXT, unit).offset(line, character)
    assert TEXT[found:].startswith(expected) and bool(TEXT[found:]) == bool(expected)


@given(st.text(alphabet="a\r\né\N{GRINNING FACE}\u2028"), st.sampled_from(UNITS))
def test_there_and_back(text: str, unit: str) -> None:
    places = positions(text, unit)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert places.offset(*places.position(offset)) == offset
