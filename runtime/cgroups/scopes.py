"""Scopes: what systemd calls a cgroup that others fill (systemd.scope(5)).

Pure: the names, and what is said of one as properties of a unit.
"""

from __future__ import annotations

from lamina.runtime.cgroups import device_filter
from lamina.runtime.cgroups.limits import io_weight, swap_limit, weight
from lamina.runtime.cgroups.parents import is_slice, is_unit
from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.runtime.spec import DeviceRule, Resources

    # A name, and the value with its D-Bus type.
    Property = tuple[str, tuple[str, object]]

# The two that may be asked: the machine's, and the user's own.
SYSTEM, USER = "system", "user"

_INFINITY = 2**64 - 1
_PERIOD = 100_000  # the kernel's, microseconds
_TYPES = {"c": "char", "b": "block"}
_ACCOUNTED = ("MemoryAccounting", "CPUAccounting", "TasksAccounting", "IOAccounting")


@value
class Scope:
    """A unit: its name with `.scope`, and the slice that it is in."""

    unit: str
    slice: str

    @property
    def path(self) -> str:
        """Where systemd puts it below its root: a slice `a-b` is in `a` (systemd.slice
        (5))."""
        if self.slice == "-.slice":
            return self.unit
        words = self.slice.removesuffix(".slice").split("-")
        above = (f"{'-'.join(words[: n + 1])}.slice" for n in range(len(words)))
        return "/".join((*above, self.unit))


def scope_of(given: str, identity: str, usual: str) -> Scope:
    """The scope that `cgroupsPath` says, `SLICE:PREFIX:NAME`, as with runc: the unit is
    PREFIX-NAME.scope, the slice `usual` where none is said. Raises ContainerError."""
    words = (given or f":lamina:{identity}").split(":")
    if len(words) != 3 or not words[2]:
        raise ContainerError(
            f"the cgroup {given!r} is not of systemd's form, SLICE:PREFIX:NAME",
            hint="Call without --systemd-cgroup for a path.",
        )
    above, prefix, name = words
    return named(f"{prefix}-{name}" if prefix else name, above or usual)


def named(name: str, above: str) -> Scope:
    """The scope NAME.scope in a slice; raises ContainerError for impossible names."""
    above = "-.slice" if above == "-" else above
    unit = f"{name}.scope"
    if not is_slice(above):
        raise ContainerError(
            f"{above!r} is not the name of a slice",
            hint="As in system.slice or shop-web.slice, which is in shop.slice.",
        )
    if not is_unit(unit):
        raise ContainerError(f"{unit!r} cannot be the name of a unit of systemd's")
    return Scope(unit, above)


def properties(resources: Resources, version: int) -> tuple[Property, ...]:
    """The limits that systemd knows of, so that it says them and writes the same when
    it writes its cgroups anew."""
    r = resources
    swap = swap_limit(r)
    beside = _INFINITY if swap < 0 else max(swap - max(r.memory, 0), 0)
    rows: tuple[tuple[object, str, str, object], ...] = (
        (r.memory, "MemoryMax", "t", _limit(r.memory)),
        (r.cpu_quota, "CPUQuotaPerSecUSec", "t", _share(r.cpu_quota, r.cpu_period)),
        (r.cpu_period, "CPUQuotaPeriodUSec", "t", r.cpu_period),
        (r.pids, "TasksMax", "t", _limit(r.pids)),
        (r.cpuset_cpus, "AllowedCPUs", "ay", _bits(r.cpuset_cpus)),
        (r.cpuset_mems, "AllowedMemoryNodes", "ay", _bits(r.cpuset_mems)),
    )
    if version == 1:
        rows += (
            (r.cpu_shares, "CPUShares", "t", r.cpu_shares),
            (r.blkio_weight, "BlockIOWeight", "t", r.blkio_weight),
        )
    else:
        rows += (
            (swap, "MemorySwapMax", "t", beside),
            (r.memory_reservation, "MemoryLow", "t", _limit(r.memory_reservation)),
            (r.cpu_shares, "CPUWeight", "t", weight(r.cpu_shares)),
            (r.blkio_weight, "IOWeight", "t", io_weight(r.blkio_weight)),
            *_unified(r.unified),
        )
    return tuple((name, (kind, said)) for given, name, kind, said in rows if given)


# Files of a cgroup of version 2 that are properties, in bytes and counts.
_PLAIN = {
    "memory.min": "MemoryMin",
    "memory.low": "MemoryLow",
    "memory.high": "MemoryHigh",
    "memory.max": "MemoryMax",
    "memory.swap.max": "MemorySwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}


def _unified(files: Mapping[str, str]) -> Iterable[tuple[object, str, str, object]]:
    for file, text in files.items():
        words = text.split()
        if file in _PLAIN and (text == "max" or text.isdecimal()):
            limit = _INFINITY if text == "max" else int(text)
            yield True, _PLAIN[file], "t", limit
        elif file in _SETS:
            yield text, _SETS[file], "ay", _bits(text)
        elif file == "cpu.max" and words and all(w.isdecimal() for w in words[1:]):
            period = int(words[1]) if words[1:] else _PERIOD
            quota = int(words[0]) if words[0].isdecimal() else -1
            yield True, "CPUQuotaPerSecUSec", "t", _share(quota, period)
            yield True, "CPUQuotaPeriodUSec", "t", period


def device_properties(rules: Iterable[DeviceRule]) -> tuple[Property, ...]:
    """The devices of a container, for version 1, whose list of them systemd writes."""
    access = device_filter.rules_for(tuple(rules))
    if access.allowed:
        return ()  # all, or all but a few, which cannot be said
    rows = ((_node(*node), letters) for node, letters in access.exceptions)
    allowed = [row for row in rows if row[0]]
    return (("DevicePolicy", ("s", "strict")), ("DeviceAllow", ("a(ss)", allowed)))


def _node(kind: str, major: int | None, minor: int | None) -> str:
    if major is None:
        return "" if minor is not None else f"{_TYPES[kind]}-*"
    if minor is None:
        return f"{_TYPES[kind]}-{major}"
    return f"/dev/{_TYPES[kind]}/{major}:{minor}"


def described(scope: Scope, pids: Iterable[int], text: str) -> tuple[Property, ...]:
    """What every scope of ours is: its first processes, and that what is inside is ours
    to arrange."""
    return (
        ("Description", ("s", text)),
        ("Slice", ("s", scope.slice)),
        ("PIDs", ("au", [*pids])),
        ("Delegate", ("b", True)),
        ("DefaultDependencies", ("b", False)),
        # One whose process was killed for want of memory has failed, and would stay.
        ("CollectMode", ("s", "inactive-or-failed")),
        *((name, ("b", True)) for name in _ACCOUNTED),
    )


def _limit(number: int) -> int:
    return number if number > 0 else _INFINITY


def _share(quota: int, period: int) -> int:
    """Microseconds of CPU time in a second, in whole hundredths, which is what systemd
    keeps: rounded up, or what the container may have would not fit."""
    if quota <= 0:
        return _INFINITY
    exact = quota * 1_000_000
    step = 10_000 * (period or _PERIOD)
    return -(-exact // step) * 10_000


def _bits(ranges: str) -> bytes:
    """`0-2,7` as bits, the lowest first; b"" for what is no such list."""
    found = 0
    for word in filter(None, ranges.replace("\n", "").split(",")):
        first, _, last = word.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            return b""
        if not int(first) <= int(last or first) < 1 << 16:
            return b""
        for number in range(int(first), int(last or first) + 1):
            found |= 1 << number
    return found.to_bytes(-(-found.bit_length() // 8), "little")
