"""Amounts that settings of the store have: bytes, shares of a disk, spans of time."""

from __future__ import annotations

from lamina.errors import LaminaError
from lamina.sizes import byte_count

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class NoAmount(LaminaError):
    """What is no amount of what it has to be one of."""


def parse_bytes(text: str, disk: int) -> int:
    """`10GB`, `512m`, `65536`, or `20%` of `disk` bytes."""
    plain = text.strip()
    amount = _share(plain, disk) if plain.endswith("%") else byte_count(plain)
    if amount is None:
        raise NoAmount(
            f"{text!r} is no amount of bytes.", hint="Write 10GB, 512m or 20%."
        )
    return amount


def parse_span(text: str) -> int:
    """`60d`, `12h30m`, `90s` or a number of seconds, in seconds."""
    if text.isascii() and text.isdigit():
        return int(text)
    seconds, digits = 0, ""
    for character in text or "-":
        if character in "0123456789":
            digits += character
        elif digits and character in _SECONDS:
            seconds += int(digits) * _SECONDS[character]
            digits = ""
        else:
            break
    else:
        if not digits:
            return seconds
    raise NoAmount(f"{text!r} is no span of time.", hint="Write 60d, 12h30m or 0.")


def _share(text: str, disk: int) -> int | None:
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        return None
    return int(disk * share / 100) if 0 <= share <= 100 else None
