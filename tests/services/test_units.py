"""Spans and sizes as compose files have them."""

from __future__ import annotations

import pytest

from lamina.services.units import nanoseconds, seconds, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("1h0m0.5s", 3600.5),
        ("250ms", 0.25),
        ("2d", 172800.0),
        ("0", 0.0),
    ],
)
def test_a_span(text: object, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


def test_a_span_in_nanoseconds() -> None:
    assert nanoseconds("1.5s") == 1_500_000_000


@pytest.mark.parametrize("text", ["10 apples", "s", "1y", "5"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="no span"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512m", 512 << 20),
        ("1.5gb", 3 << 29),
        ("64kib", 64 << 10),
        ("2t", 2 << 40),
        ("300b", 300),
        (1048576, 1 << 20),
        ("-1", -1),
    ],
)
def test_a_size(text: object, expected: int) -> None:
    assert size(text) == expected


def test_what_is_no_size() -> None:
    with pytest.raises(ValueError, match="no amount of bytes"):
        size("10x")
