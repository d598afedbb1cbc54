"""Sizes as people write them for Docker: `512m`, `1.5GiB`, `65536`."""

from __future__ import annotations

_UNITS = "kmgtp"
# What int64 has no room for.
_MOST = 1 << 63


def byte_count(text: str) -> int | None:
    """How many bytes are meant, by units of 1024; None where the text says no size."""
    number = text.lower().removesuffix("b").removesuffix("i")
    power = _UNITS.find(number[-1:] or "-") + 1
    plain = number[: len(number) - bool(power)].removesuffix(" ")
    whole, _, fraction = plain.partition(".")
    digits = whole + fraction
    if not (text.isascii() and digits.isdecimal() and len(digits) <= 60):
        return None
    count = int(digits) * 1024**power // 10 ** len(fraction)
    return count if count < _MOST else None
