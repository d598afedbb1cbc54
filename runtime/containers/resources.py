"""The limits that were asked of a container: checked, and as the cgroup takes them.

What is refused, and in which words, is as with docker (moby, daemon_unix.go,
verifyPlatformContainerResources).
"""

from __future__ import annotations

import os

from lamina.runtime import spec as oci
from lamina.runtime.containers import devices
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options

_PERIOD = 100_000
_BILLION = 1_000_000_000
_LEAST_MEMORY = 6 << 20
# The fields of Options, and what Throttle calls them.
THROTTLES = {
    "blkio_weight_device": "weight",
    "device_read_bps": "read_bps",
    "device_write_bps": "write_bps",
    "device_read_iops": "read_iops",
    "device_write_iops": "write_iops",
}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def resources(options: Options) -> oci.Resources:
    """The limits, Docker's way: memory alone allows as much swap again."""
    swap = options.memory_swap
    if options.memory and not swap:
        swap = 2 * options.memory
    quota, period = _cpu_time(options)
    return oci.Resources(
        memory=options.memory,
        memory_swap=swap,
        memory_reservation=options.memory_reservation,
        swappiness=None if options.memory_swappiness < 0 else options.memory_swappiness,
        oom_kill_disabled=options.oom_kill_disabled,
        cpu_quota=quota,
        cpu_period=period,
        cpu_shares=options.cpu_shares,
        cpuset_cpus=options.cpuset_cpus,
        cpuset_mems=options.cpuset_mems,
        pids=max(options.pids_limit, 0),
        blkio_weight=options.blkio_weight,
        throttles=tuple(
            throttle(kind, text)
            for field, kind in THROTTLES.items()
            for text in getattr(options, field)
        ),
        devices=devices.rules(options),
    )


def _cpu_time(options: Options) -> tuple[int, int]:
    """Quota and period in microseconds, 0 for none."""
    period = options.cpu_period or _PERIOD
    quota = options.cpu_quota or options.nano_cpus * period // _BILLION
    return quota, period if quota or options.cpu_period else 0


def changed(before: Options, after: Options) -> oci.Resources:
    """What to write where the limits change from the one to the other; a limit that
    goes is written as none."""
    old, new = resources(before), resources(after)
    found: dict[str, int | str] = {}
    for name in ("memory", "memory_swap", "memory_reservation", "cpu_shares"):
        if getattr(new, name) != getattr(old, name):
            found[name] = getattr(new, name)
    for name in ("cpuset_cpus", "cpuset_mems", "blkio_weight"):
        if getattr(new, name) != getattr(old, name):
            found[name] = getattr(new, name)
    if (new.cpu_quota, new.cpu_period) != (old.cpu_quota, old.cpu_period):
        found |= {"cpu_quota": new.cpu_quota or -1, "cpu_period": new.cpu_period}
    if new.pids != old.pids:
        found["pids"] = new.pids or -1
    return oci.Resources(derive_swap=False, **found)  # type: ignore[arg-type]


def check(options: Options) -> None:
    """Raises ContainerError for limits that make no sense, alone or together."""
    _check_memory(options)
    _check_cpus(options)
    for what, given, place in (
        ("CPUs", options.cpuset_cpus, "cpu"),
        ("memory nodes", options.cpuset_mems, "node"),
    ):
        if given:
            _check_set(what, given, f"/sys/devices/system/{place}/online")
    if not -1 <= options.memory_swappiness <= 100:
        raise ContainerError(
            f"Invalid value: {options.memory_swappiness}, valid memory swappiness "
            "range is 0-100."
        )
    resources(options)


def _check_memory(options: Options) -> None:
    memory, swap = options.memory, options.memory_swap
    reserved = options.memory_reservation
    if 0 < memory < _LEAST_MEMORY:
        raise ContainerError("Minimum memory limit allowed is 6MB.")
    if 0 < reserved < _LEAST_MEMORY:
        raise ContainerError("Minimum memory reservation allowed is 6MB.")
    if swap > 0 and not memory:
        raise ContainerError(
            "You should always set the memory limit when using a memory-swap limit.",
            hint="It is memory and swap together: `-m 64m --memory-swap 96m`.",
        )
    if 0 < swap < memory:
        raise ContainerError(
            "The memory-swap limit has to be larger than the memory limit.",
            hint="It is memory and swap together; -1 is any.",
        )
    if 0 < memory < reserved:
        raise ContainerError(
            "The memory limit cannot be less than the memory reservation."
        )


def _check_cpus(options: Options) -> None:
    nano, period, quota = options.nano_cpus, options.cpu_period, options.cpu_quota
    for name, given in (("Period", period), ("Quota", quota)):
        if nano and given:
            raise ContainerError(
                f"Conflicting options: Nano CPUs and CPU {name} cannot both be set.",
                hint="--cpus is both of --cpu-quota and --cpu-period.",
            )
    count = len(os.sched_getaffinity(0))
    if nano > count * _BILLION:
        raise ContainerError(
            f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs "
            "available."
        )
    if period and not 1000 <= period <= 1_000_000:
        raise ContainerError(
            "CPU cfs period cannot be less than 1ms (i.e. 1000) or larger than 1s "
            "(i.e. 1000000)."
        )
    if 0 < quota < 1000:
        raise ContainerError("CPU cfs quota cannot be less than 1ms (i.e. 1000).")


def _check_set(what: str, text: str, online: str) -> None:
    wanted = parse_set(text)
    try:
        with open(online, encoding="utf-8") as file:
            there = file.read().strip()
    except OSError:
        return  # the kernel will say
    if not wanted <= parse_set(there):
        raise ContainerError(
            f"Requested {what} are not available: {text}, of {there}.",
        )


def parse_set(text: str) -> frozenset[int]:
    """`0-2,5` as numbers (cpuset(7), List format); raises ContainerError."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or not (last.isdecimal() if dash else True):
            raise ContainerError(f"Invalid set {text!r}.", hint="As in 0-2,5.")
        low, high = int(first), int(last) if dash else int(first)
        if not low <= high < 1 << 16:
            raise ContainerError(f"Invalid set {text!r}.", hint="As in 0-2,5.")
        found.update(range(low, high + 1))
    return frozenset(found)


def throttle(kind: str, text: str) -> oci.Throttle:
    """`/dev/sda:10mb`, `/dev/sda:1000`: bytes with a unit, the others without."""
    path, _, amount = text.rpartition(":")
    lowered = amount.lower().removesuffix("b")
    unit = lowered[-1:] if kind.endswith("bps") and not lowered[-1:].isdecimal() else ""
    number = lowered.removesuffix(unit)
    if not path.startswith("/dev/") or not number.isdecimal() or unit not in _UNITS:
        raise ContainerError(
            f"Invalid rate for device: {text}.",
            hint="As in /dev/sda:1mb for bytes, /dev/sda:1000 for the others.",
        )
    rate = int(number) * _UNITS[unit]
    if kind == "weight" and not (rate == 0 or 10 <= rate <= 1000):
        raise ContainerError(f"The weight of a device is from 10 to 1000: {text}.")
    try:
        device = os.stat(path).st_rdev
    except OSError as error:
        raise ContainerError(f"{path}: {error.strerror}.") from error
    return oci.Throttle(kind, os.major(device), os.minor(device), rate)
