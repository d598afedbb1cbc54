"""`[gc]` in lamina.toml: how much of the build cache is kept without being asked.

    [gc]
    enabled = true
    interval = "1h"            # at most so often, after a build
    max-age = "60d"            # what was not used for so long goes; "0": never
    max-used-space = "100GB"   # of the cache, or a share of the disk
    min-free-space = "20%"     # of the disk
    reserved-space = "10GB"    # down to this the cache is left alone

In /etc/lamina/ and in the user's configuration folder, the second over the first, key
by key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from lamina.cli.system.measures import parse_bytes, parse_span
from lamina.errors import LaminaError
from lamina.oci.garbage.policy import Space
from lamina.values import value

FILE = "lamina.toml"
_TABLE = "gc"
_GB = 1 << 30
# Each key and what it is given when nothing is said. The defaults are BuildKit's.
_KEYS: Mapping[str, tuple[type, Any]] = {
    "enabled": (bool, True),
    "interval": (str, "1h"),
    "max-age": (str, "60d"),
    "max-used-space": (str, ""),
    "min-free-space": (str, "20%"),
    "reserved-space": (str, ""),
}


class InvalidConfiguration(LaminaError):
    """A configuration file that says what means nothing."""


@value
class GcSettings:
    """When to collect and what: spans in seconds, space in bytes."""

    enabled: bool
    interval: int
    max_age: int
    space: Space


def read_gc(files: tuple[str, ...], disk: int) -> GcSettings:
    """What `files` say, later ones over earlier ones; those not there are left out.
    `disk` is the size in bytes of the store's.

    Raises InvalidConfiguration with the place, for a key that is not known as well.
    """
    found: dict[str, tuple[Any, str]] = {}
    for path in files:
        if os.path.exists(path):
            found.update(_read(path))
    parsed = {name: _parsed(name, found.get(name), disk) for name in _KEYS}
    # A share of the disk, and no more than a large cache needs.
    most = parsed["max-used-space"] or min(disk * 80 // 100, 100 * _GB)
    least = parsed["reserved-space"]
    if "reserved-space" not in found:
        least = min(disk * 10 // 100, 10 * _GB)
    return GcSettings(
        bool(parsed["enabled"]),
        max(60, parsed["interval"]),
        parsed["max-age"],
        Space(most, parsed["min-free-space"], least),
    )


def _read(path: str) -> dict[str, tuple[Any, str]]:
    """The keys of `[gc]` in a file, each with its place."""
    import tomllib

    try:
        with open(path, "rb") as file:
            data = file.read()
        text = data.decode()
        document = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidConfiguration(f"{path} cannot be read: {reason}.") from error
    for name in document:
        if name != _TABLE:
            raise InvalidConfiguration(
                f"There is no {name!r} in {FILE}.",
                place=_place(path, text, name),
                hint=f"It has a table [{_TABLE}].",
            )
    table = document.get(_TABLE, {})
    if not isinstance(table, dict):
        raise InvalidConfiguration(
            f"{_TABLE!r} is not a table.",
            place=_place(path, text, _TABLE),
            hint=f"Write [{_TABLE}] on a line of its own.",
        )
    for name in table:
        if name not in _KEYS:
            raise InvalidConfiguration(
                f"There is no {name!r} in [{_TABLE}].",
                place=_place(path, text, name),
                hint=_near(name),
            )
    return {name: (given, _place(path, text, name)) for name, given in table.items()}


def _place(path: str, text: str, name: str) -> str:
    """The line that gives a key or a table its name."""
    wanted = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[\]=.]")
    for number, line in enumerate(text.splitlines(), 1):
        if wanted.match(line):
            return f"{path}:{number}"
    return path


def _near(name: str) -> str:
    """BuildKit writes maxUsedSpace."""
    same = [
        key for key in _KEYS if key.replace("-", "") == name.lower().replace("_", "")
    ]
    if same:
        return f"It is called {same[0]} here."
    return f"It may have {', '.join(_KEYS)}."


def _parsed(name: str, found: tuple[Any, str] | None, disk: int) -> int:
    kind, usual = _KEYS[name]
    given, place = found or (usual, "")
    if kind is bool and isinstance(given, bool):
        return given
    # A number alone is bytes, or seconds.
    plain = str(given) if type(given) is int else given
    if kind is bool or not isinstance(plain, str):
        raise InvalidConfiguration(
            f"{name} has the wrong type.",
            place=place,
            hint="It is true or false." if kind is bool else 'Write it as in "10GB".',
        )
    try:
        if name in ("interval", "max-age"):
            return parse_span(plain)
        return parse_bytes(plain, disk) if plain else 0
    except LaminaError as error:
        error.place = place
        raise
