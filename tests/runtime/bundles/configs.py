"""Changes of a config.json, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Config = dict[str, Any]


Show = Callable[..., str]


def process(**changes: Any) -> Callable[[Config], None]:
    return lambda config: config["process"].update(changes)


def linux(**changes: Any) -> Callable[[Config], None]:
    return lambda config: config["linux"].update(changes)


def mounts(*rows: dict[str, Any]) -> Callable[[Config], None]:
    return lambda config: config["mounts"].extend(rows)
