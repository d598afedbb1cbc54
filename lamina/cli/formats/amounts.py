"""Amounts as docker's flags take them: sizes, CPUs, times, numbers, policies."""

from __future__ import annotations

from lamina.cli.usage import FlagUsage
from lamina.sizes import byte_count

# Go's time.ParseDuration, in ns.
_TIMES = {
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "µs": 10**3,
    "ns": 1,
}
_LEAST_MEMORY = 6 << 20
# What int64 has no room for.
_MOST = 1 << 63
POLICIES = ("no", "always", "unless-stopped", "on-failure")


class RunUsage(FlagUsage):
    """Flags that mean nothing, or do not go together."""


def size(text: str, flag: str) -> int:
    """`512m` in bytes; "" is 0."""
    amount = byte_count(text or "0")
    if amount is None:
        raise RunUsage(
            f"Invalid size {text!r} for {flag}.", hint="As in 512m, 2g or 65536."
        )
    return amount


def memory(text: str) -> int:
    """What `--memory` takes, in bytes."""
    amount = size(text, "--memory")
    if amount and amount < _LEAST_MEMORY:
        raise RunUsage("Minimum memory limit allowed is 6MB.")
    return amount


def swap(text: str) -> int:
    """What `--memory-swap` takes: bytes, or -1 for any."""
    return -1 if text == "-1" else size(text, "--memory-swap")


def cpus(text: str) -> int:
    """`1.5` CPUs in 10^-9 of one; "" and `0` are no limit."""
    try:
        amount = round(float(text or 0) * 1_000_000_000)
    except (ValueError, OverflowError):
        amount = -1
    if not 0 <= amount < _MOST or 0 < amount < 10_000_000:
        raise RunUsage(
            f"Invalid number of CPUs {text!r}.", hint="From 0.01 on, as in 1.5."
        )
    return amount


def blkio_weight(text: str) -> int:
    """What `--blkio-weight` takes; 0 is none."""
    weight = integer(text, "--blkio-weight")
    if weight and not 10 <= weight <= 1000:
        raise RunUsage(f"--blkio-weight is from 10 to 1000, not {weight}.")
    return weight


def integer(text: str, flag: str) -> int:
    """A number that Docker's API has room for: what is written down is read again."""
    try:
        number = int(text)
        if "_" in text or not -_MOST <= number < _MOST:
            raise ValueError
    except ValueError:
        raise RunUsage(f"Invalid number {text!r} for {flag}.") from None
    return number


def duration(text: str, flag: str) -> int:
    """`1m30s` in ns; "" and `0` are 0. At least 1ms, as Docker has it."""
    amount, rest = 0.0, "" if text == "0" else text
    try:
        while rest:
            digits = len(rest) - len(rest.lstrip("0123456789."))
            letters = rest[digits:].lstrip("hmsuµn")
            unit = rest[digits : len(rest) - len(letters)]
            amount += float(rest[:digits]) * _TIMES[unit]
            rest = letters
        if amount >= _MOST:
            raise ValueError
    except (KeyError, ValueError):
        raise RunUsage(
            f"Invalid time {text!r} for {flag}.", hint="As in 500ms, 30s or 1m30s."
        ) from None
    if 0 < amount < 10**6:
        raise RunUsage(f"{flag} cannot be less than 1ms.")
    return int(amount)


def restart_policy(text: str) -> str:
    """`--restart` as Options have it; raises RunUsage."""
    name, colon, most = text.partition(":")
    if name not in POLICIES:
        raise RunUsage(
            f"Invalid restart policy {text!r}.", hint=f"One of {', '.join(POLICIES)}."
        )
    if colon and name != "on-failure":
        raise RunUsage(
            f"A maximum number of retries cannot be used with the policy {name!r}.",
            hint="It goes with on-failure, as in on-failure:3.",
        )
    if colon and not (most.isdecimal() and most.isascii() and len(most) < 10):
        raise RunUsage(f"Invalid restart policy {text!r}.", hint="As in on-failure:3.")
    return text
