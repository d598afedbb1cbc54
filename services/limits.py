"""What a service may use: memory, processors, processes, disks; and how long it has."""

from __future__ import annotations

import math

from lamina.services.units import seconds, size
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Keys = Mapping[str, Any]


@value
class Limits:
    """Bytes, billionths of a CPU, processes; 0 where there is no limit."""

    memory: int
    reservation: int
    nano_cpus: int
    pids: int


def limits_of(keys: Keys) -> Limits:
    resources = (keys.get("deploy") or {}).get("resources") or {}
    most, least = resources.get("limits") or {}, resources.get("reservations") or {}
    cpus = keys.get("cpus") or most.get("cpus") or 0
    return Limits(
        size_of(keys, "mem_limit") or size_of(most, "memory"),
        size_of(keys, "mem_reservation") or size_of(least, "memory"),
        round(float(cpus) * 1e9),
        int(keys.get("pids_limit") or most.get("pids") or 0),
    )


def size_of(keys: Keys, name: str) -> int:
    given = keys.get(name)
    return 0 if given is None else size(given)


def microseconds(keys: Keys, name: str) -> int:
    given = keys.get(name)
    if given is None or isinstance(given, int) or str(given).isdecimal():
        return int(given or 0)
    return round(seconds(given) * 1e6)


def grace_of(keys: Keys) -> int:
    """In whole seconds, as Options have it: at least what is asked for."""
    given = keys.get("stop_grace_period")
    return -1 if given is None else math.ceil(seconds(given))


def ulimits_of(given: Keys) -> tuple[str, ...]:
    found = []
    for name, one in given.items():
        soft, hard = (one["soft"], one["hard"]) if isinstance(one, dict) else (one, one)
        found.append(f"{name}={soft}:{hard}")
    return tuple(found)


def block_devices(given: Keys) -> dict[str, Any]:
    weights = given.get("weight_device") or ()
    found: dict[str, Any] = {
        "blkio_weight": int(given.get("weight") or 0),
        "blkio_weight_device": tuple(f"{d['path']}:{d['weight']}" for d in weights),
    }
    for name in ("read_bps", "write_bps", "read_iops", "write_iops"):
        found[f"device_{name}"] = tuple(
            f"{one['path']}:{one['rate']}" for one in given.get(f"device_{name}") or ()
        )
    return found
