"""Moments of `--since` and `--until`, as docker takes them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from lamina.cli.formats.moments import moment
from lamina.errors import LaminaError


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1136073600", 1136073600 * 10**9),
        ("1136073600.000000001", 1136073600 * 10**9 + 1),
        ("2006-01-02T15:04:05Z", 1136214245 * 10**9),
        ("2006-01-02T15:04:05.5Z", 1136214245 * 10**9 + 500_000_000),
        ("2006-01-02T15:04:05.000000007-07:00", 1136239445 * 10**9 + 7),
        ("2006-01-02T15:04:05+01:00", 1136210645 * 10**9),
        # Without a zone: local time.
        ("2006-01-02T15:04:05", 1136210645 * 10**9),
        ("2006-01-02T15:04", 1136210640 * 10**9),
        ("2006-01-02T15", 1136210400 * 10**9),
        ("2006-01-02", 1136156400 * 10**9),
    ],
)
def test_moments(text: str, nanoseconds: int) -> None:
    assert moment(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("10m", 600), ("1h30m", 5400), ("2d", 172800), ("0s", 0)),
        *(("1w", 604800), ("2w1.5d12h", 16 * 86400)),
    ],
)
def test_how_long_ago(text: str, seconds: int) -> None:
    before = time.time_ns()
    found = moment(text) + seconds * 10**9
    assert before <= found <= time.time_ns()


@pytest.mark.parametrize(
    "text",
    ["", "d", "soon", "1d2", "2006-13-02", "2006-01-02T15:04:05+1", "1m2", "-", "1-"],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(LaminaError, match="Invalid time"):
        moment(text, "--since")
