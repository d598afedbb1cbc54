"""Times and numbers as compose files write them, and as Docker does."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PART = re.compile(
    r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII
)
_LARGEST = (1 << 63) - 1


def nanoseconds(text: str) -> int | None:
    """How long `1m30s` is, or None where the text says no time."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    if rest == "0":
        return 0
    at = total = 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if not found:
            return None
        whole, _, fraction = found[1].partition(".")
        unit = _UNITS[found[2]]
        total += int(whole or "0") * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        at = found.end()
    if not at or total > _LARGEST:
        return None
    return sign * total


def go_duration(length: int) -> str:
    """Nanoseconds as Docker writes them: `1m30s`, `1h0m0s`, `500ms`."""
    if length < 0:
        return "-" + go_duration(-length)
    if length < 1_000_000_000:
        for unit in ("ms", "µs", "ns"):
            if length >= _UNITS[unit]:
                return _decimal(length, _UNITS[unit]) + unit
        return "0s"
    minutes, rest = divmod(length, _UNITS["m"])
    seconds = _decimal(rest, _UNITS["s"]) + "s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _decimal(length: int, unit: int) -> str:
    whole, rest = divmod(length, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def go_number(number: int | float) -> str:
    """A number as Go prints it, which is how it gets into an environment: a whole float
    without `.0`, one of a million or more with an exponent."""
    if isinstance(number, int):
        return str(number)
    power = int(f"{number:e}".partition("e")[2])
    if -4 <= power < 6:
        return str(int(number)) if number.is_integer() else repr(number)
    digits = repr(abs(number)).partition("e")[0].replace(".", "").strip("0")
    sign = "-" if number < 0 else ""
    shown = digits[0] + ("." + digits[1:] if digits[1:] else "")
    return f"{sign}{shown}e{power:+03d}"
