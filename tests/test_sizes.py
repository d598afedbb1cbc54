"""Sizes as Docker reads them."""

from __future__ import annotations

import pytest

from lamina.sizes import byte_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *(("0", 0), ("65536", 65536), ("7b", 7), ("1k", 1024), ("512MB", 512 << 20)),
        *(("1.5GiB", 3 << 29), (".5g", 1 << 29), ("2 t", 2 << 40), ("1Pi", 1 << 50)),
        ("1.0000000000000000000001t", 1 << 40),
        (f"{(1 << 63) - 1}", (1 << 63) - 1),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert byte_count(text) == count


@pytest.mark.parametrize(
    "text",
    [
        *("", "b", "m", ".", " 1", "1  k", "1 0", "1x", "1km", "1bk", "-1", "1e3"),
        *("nan", "1_0", "1.2.3", "\u0661", "1\u212a", f"{1 << 63}", "9" * 5000),
    ],
)
def test_what_is_no_size(text: str) -> None:
    assert byte_count(text) is None
