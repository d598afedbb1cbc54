"""Amounts of the canonical tree, where they are known to be some: spans and bytes."""

from __future__ import annotations

from lamina.services.compose import quantities
from lamina.sizes import byte_count

_UNLIMITED = -1


def nanoseconds(given: object) -> int:
    """`1m30s` in ns; raises ValueError."""
    found = quantities.nanoseconds(str(given))
    if found is None:
        raise ValueError(f"{given!r} is no span of time")
    return found


def seconds(given: object) -> float:
    """The same in seconds."""
    return nanoseconds(given) / 1e9


def size(given: object) -> int:
    """`512m`, or a number of bytes; -1 is no limit. Raises ValueError."""
    if str(given) == str(_UNLIMITED):
        return _UNLIMITED
    found = byte_count(str(given))
    if found is None:
        raise ValueError(f"{given!r} is no amount of bytes")
    return found
