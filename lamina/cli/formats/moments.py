"""Moments as docker's `--since` and `--until` take them (moby, timetypes)."""

from __future__ import annotations

import time

from lamina.cli.formats.amounts import RunUsage, duration
from lamina.errors import LaminaError

_NANO = 10**9
_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d")
_LENGTHS = (19, 16, 13, 10)


def moment(text: str, flag: str = "") -> int:
    """In ns since 1970.

    `10m`, `1h30m`, `2d` or `1w` ago, Unix seconds, or RFC 3339 to the day, the hour,
    the minute or the second, which is local time where no zone is given. Raises
    LaminaError: to docker it is an argument, and no flag that cannot be read.
    """
    try:
        if text.endswith(("w", "d", "h", "m", "s")):
            return time.time_ns() - _age(text)
        if "-" in text[1:]:
            return _date(text)
        seconds, _, fraction = text.partition(".")
        return int(seconds) * _NANO + _fraction(fraction)
    except (ValueError, OverflowError, RunUsage):
        name = f" for {flag}" if flag else ""
        hint = "As in 10m, 1700000000 or 2026-11-23T12:00:00Z."
        raise LaminaError(f"Invalid time {text!r}{name}.", hint=hint) from None


def _age(text: str) -> int:
    days = 0.0
    for unit, worth in (("w", 7), ("d", 1)):
        if unit in text:
            count, _, text = text.partition(unit)
            days += float(count) * worth
    return int(days * 86400 * _NANO) + duration(text, "")


def _date(text: str) -> int:
    import calendar

    for form, length in zip(_FORMS, _LENGTHS, strict=True):
        try:
            parts = time.strptime(text[:length], form)
        except ValueError:
            continue
        rest = text[length:]
        break
    else:
        raise ValueError(text)
    fraction = ""
    if rest.startswith("."):
        digits = len(rest[1:]) - len(rest[1:].lstrip("0123456789"))
        fraction, rest = rest[1 : 1 + digits], rest[1 + digits :]
    if not rest:
        return int(time.mktime(parts)) * _NANO + _fraction(fraction)
    return (calendar.timegm(parts) - _zone(rest)) * _NANO + _fraction(fraction)


def _zone(text: str) -> int:
    """`Z` or `+02:00`, in seconds east; raises ValueError."""
    if text in ("Z", "z"):
        return 0
    if len(text) != 6 or text[0] not in "+-" or text[3] != ":":
        raise ValueError(text)
    seconds = 3600 * int(text[1:3]) + 60 * int(text[4:])
    return -seconds if text[0] == "-" else seconds


def _fraction(digits: str) -> int:
    return int(digits[:9].ljust(9, "0")) if digits else 0
