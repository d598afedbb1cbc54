"""Amounts in settings and flags of the store."""

from __future__ import annotations

import pytest

from lamina.cli.system.measures import NoAmount, parse_bytes, parse_span

DISK = 1000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("0", 0), ("65536", 65536), ("512m", 512 << 20), ("512MB", 512 << 20)),
        *(("1.5GiB", 3 << 29), ("2 t", 2 << 40), ("7b", 7), ("20%", 200)),
        *(("0%", 0), ("100%", 1000), ("12.5%", 125)),
    ],
)
def test_bytes(text: str, found: int) -> None:
    assert parse_bytes(text, DISK) == found


@pytest.mark.parametrize(
    "text", ["", "b", "ten", "-1", "101%", "-1%", "%", "1x", "1e999", "nan", "1 0"]
)
def test_no_bytes(text: str) -> None:
    with pytest.raises(NoAmount):
        parse_bytes(text, DISK)


def test_spans() -> None:
    found = [parse_span(text) for text in ("0", "90", "90s", "1h30m", "60d", "2w")]
    assert found == [0, 90, 90, 5400, 60 * 86400, 14 * 86400]
    for text in ("", "h", "1h30", "-1h", "1y", "٣h"):
        with pytest.raises(NoAmount):
            parse_span(text)
