"""Amounts as people write them: bytes, shares of a disk, spans and moments of time."""

from __future__ import annotations

import time

from lamina.errors import LaminaError

_BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class NoAmount(LaminaError):
    """What is no amount of what it has to be one of."""


def parse_bytes(text: str, disk: int) -> int:
    """`10GB`, `512m`, 65536 (units of 1024, as Docker's), or `20%` of `disk` bytes."""
    plain = text.strip().lower()
    try:
        if plain.endswith("%"):
            share = float(plain[:-1])
            if not 0 <= share <= 100:
                raise ValueError
            return int(disk * share / 100)
        number = plain.removesuffix("ib").removesuffix("b") or plain
        unit = number[-1:] if not number[-1:].isdecimal() else ""
        amount = float(number.removesuffix(unit)) * _BYTES[unit]
        if not 0 <= amount < 1 << 63:
            raise ValueError
    except (KeyError, ValueError, OverflowError):
        raise NoAmount(
            f"{text!r} is no amount of bytes.", hint="Write 10GB, 512m or 20%."
        ) from None
    return int(amount)


def parse_span(text: str) -> int:
    """`60d`, `12h30m`, `90s` or a number of seconds, in seconds."""
    if text.isascii() and text.isdigit():
        return int(text)
    found = _span(text)
    if found is None:
        raise NoAmount(f"{text!r} is no span of time.", hint="Write 60d, 12h30m or 0.")
    return found


def parse_moment(text: str) -> int:
    """A span before now, `2026-01-31T00:00:00Z` or Unix seconds, as Unix seconds."""
    from lamina.cli.formats.tables import parse_time

    if text.isascii() and text.isdigit():
        return int(text)
    span = _span(text)
    if span is not None:
        return int(time.time()) - span
    moment = parse_time(text)
    if not moment:
        raise NoAmount(
            f"{text!r} is no time.",
            hint="Write 24h, 90m, 2026-01-31T00:00:00Z or Unix seconds.",
        )
    return int(moment)


def _span(text: str) -> int | None:
    seconds, digits = 0, ""
    for character in text:
        if character in "0123456789":
            digits += character
        elif digits and character in _SECONDS:
            seconds += int(digits) * _SECONDS[character]
            digits = ""
        else:
            return None
    return seconds if text and not digits else None
