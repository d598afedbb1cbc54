"""`ps`, `update` and `events`: what a container's cgroup says and is told."""

from __future__ import annotations

import os
import time

from lamina.runtime.bundles import state
from lamina.runtime.bundles.json_text import load_file, loads, read_all
from lamina.runtime.bundles.resources_json import read_resources
from lamina.runtime.bundles.state import WrongState
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import Resources
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.bundles.flags import Line

_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# Each flag of `update`: the field that it is, and whether it is an amount of bytes.
_FIELDS = {
    "memory": ("memory", True),
    "memory-reservation": ("memory_reservation", True),
    "memory-swap": ("memory_swap", True),
    "cpu-period": ("cpu_period", False),
    "cpu-quota": ("cpu_quota", False),
    "cpu-burst": ("cpu_burst", False),
    "cpu-share": ("cpu_shares", False),
    "cpu-rt-period": ("realtime_period", False),
    "cpu-rt-runtime": ("realtime_runtime", False),
    "cpu-idle": ("cpu_idle", False),
    "blkio-weight": ("blkio_weight", False),
    "pids-limit": ("pids", False),
}
_TEXTS = {"cpuset-cpus": "cpuset_cpus", "cpuset-mems": "cpuset_mems"}


def processes(root: str, identity: str) -> tuple[int, ...]:
    """The pids of all its processes, as this process sees them."""
    return Cgroup(state.load(root, identity).cgroup).procs()


def update(root: str, line: Line) -> None:
    """Give a container other limits: those of `--resources`, and of the flags."""
    known = state.load(root, line.words[0])
    if state.status(root, known) == state.STOPPED:
        raise WrongState("container not running")
    wanted = _given(line)
    for flag, (field, sized) in _FIELDS.items():
        if text := line.text(flag):
            wanted = replace(wanted, **{field: _amount(flag, text, sized)})
    for flag, field in _TEXTS.items():
        if text := line.text(flag):
            wanted = replace(wanted, **{field: text})
    if known.unit:
        from lamina.runtime.bundles import scoping

        scoping.change(known, wanted)
    Cgroup(known.cgroup).limit(wanted)


def _given(line: Line) -> Resources:
    path = line.text("resources")
    if not path:
        return Resources(derive_swap=False)
    found = loads(read_all(0), "stdin") if path == "-" else load_file(path)
    if not isinstance(found, dict):
        raise ContainerError(f"{path} has no resources")
    # Device rules are there from the beginning; engines send them along unchanged.
    return replace(read_resources(found), devices=())


def _amount(flag: str, text: str, sized: bool) -> int:
    unit = 1
    number = text
    if sized and text[-1:].lower() in _UNITS:
        number, unit = text[:-1], _UNITS[text[-1:].lower()]
    try:
        return int(number) * unit
    except ValueError:
        raise ContainerError(f"--{flag} {text!r} is not an amount") from None


def events(
    root: str, identity: str, interval: float, once: bool, tell: Callable[[Any], None]
) -> None:
    """Tell what the container uses every `interval` seconds until it has stopped, and
    once when the kernel kills for want of memory."""
    known = state.load(root, identity)
    told = False
    while state.status(root, known) != state.STOPPED:
        group = Cgroup(known.cgroup)
        tell({"type": "stats", "id": identity, "data": _stats(group)})
        if group.oom_killed and not told:
            told = True
            tell({"type": "oom", "id": identity})
        if once:
            return
        time.sleep(interval)
    if once:
        raise WrongState("container not running")


def _stats(group: Cgroup) -> dict[str, Any]:
    """What its controllers count, named as runc names it."""
    numbers = {
        ("cpu", "usage", "total"): _cpu(group),
        ("memory", "usage", "usage"): _first(
            group, "memory", "memory.usage_in_bytes", "memory.current"
        ),
        ("memory", "usage", "limit"): _first(
            group, "memory", "memory.limit_in_bytes", "memory.max"
        ),
        ("memory", "usage", "max"): _first(
            group, "memory", "memory.max_usage_in_bytes", "memory.peak"
        ),
        ("pids", "current", ""): _first(group, "pids", "pids.current", "pids.current"),
        ("pids", "limit", ""): _first(group, "pids", "pids.max", "pids.max"),
    }
    found: dict[str, Any] = {}
    for (kind, name, inner), number in numbers.items():
        if number is not None:
            place = found.setdefault(kind, {})
            if inner:
                place.setdefault(name, {})[inner] = number
            else:
                place[name] = number
    return found


def _cpu(group: Cgroup) -> int | None:
    """CPU time in ns."""
    if (own := _first(group, "cpuacct", "cpuacct.usage", "")) is not None:
        return own
    for line in group.read("cpu", "cpu.stat").splitlines():
        key, _, amount = line.partition(" ")
        if key == "usage_usec":
            return int(amount) * 1000
    return None


def _first(group: Cgroup, controller: str, v1: str, v2: str) -> int | None:
    for name in (v1, v2):
        text = group.read(controller, name).strip() if name else ""
        if text:
            return 2**64 - 1 if text == "max" else int(text)
    return None


def table(pids: tuple[int, ...]) -> str:
    """The processes as `ps -ef` shows them, without running it."""
    rows = [("PID", "PPID", "UID", "CMD")]
    for pid in pids:
        try:
            rows.append(_row(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "".join(f"{a:>8}{b:>8}{c:>8}  {d}\n" for a, b, c, d in rows)


def _row(pid: int) -> tuple[str, str, str, str]:
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        head, _, rest = file.read(4096).rpartition(b")")
    with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
        words = file.read(4096).rstrip(b"\0").replace(b"\0", b" ")
    name = head.partition(b"(")[2]
    shown = (words or b"[" + name + b"]").decode("utf-8", "replace")
    owner = os.stat(f"/proc/{pid}").st_uid
    return str(pid), rest.split()[1].decode(), str(owner), shown
