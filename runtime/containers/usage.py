"""What a container that runs uses: CPU time, memory, its network, disks, processes.

From its cgroup, where that counts; else from its processes, as for an ordinary user
without a delegated one, or on cgroup v1 where only what is limited has one.
"""

from __future__ import annotations

import os
import time

from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.containers.members import members
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.state import State

_TICK = 10**9 // os.sysconf("SC_CLK_TCK")
# What v1 says where there is no limit, and more than any machine has.
_ENDLESS = 1 << 60


@value
class Usage:
    """At the moment `time` (ns); `cpu` in ns, all else in bytes and counts since its
    start. `limit` of memory is the machine's where it has none."""

    time: int = 0
    cpu: int = 0
    memory: int = 0
    limit: int = 0
    received: int = 0
    sent: int = 0
    read: int = 0
    written: int = 0
    processes: int = 0


def usage(found: State) -> Usage:
    """What a container uses now; nothing when it does not run."""
    if not found.is_running or found.init is None:
        return Usage()
    group = Cgroup(found.cgroup) if found.cgroup else None
    pids = members(found)
    received, sent = _network(found.init.pid)
    read, written = _disks(group, pids)
    return Usage(
        time.monotonic_ns(),
        _cpu(group, pids),
        _memory(group, pids),
        _limit(group),
        received,
        sent,
        read,
        written,
        len(pids),
    )


def cpu_share(before: Usage, now: Usage) -> float:
    """CPU time between two moments, in per cent of one CPU."""
    passed = now.time - before.time
    used = now.cpu - before.cpu
    return 100 * used / passed if before.time and passed > 0 and used > 0 else 0.0


def _cpu(group: Cgroup | None, pids: tuple[int, ...]) -> int:
    if group is not None:
        text = group.read("cpuacct", "cpuacct.usage").strip()
        if text:
            return int(text)
        counted = _table(group.read("cpu", "cpu.stat")).get("usage_usec")
        if counted is not None:
            return 1000 * counted
    return sum(map(_cpu_of, pids))


def _cpu_of(pid: int) -> int:
    """Of a process and its children that have ended (proc_pid_stat(5), 14 to 17)."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * _TICK if fields else 0


def _memory(group: Cgroup | None, pids: tuple[int, ...]) -> int:
    """What is in use, without files in memory that could go at once, as docker."""
    if group is not None:
        for name, inactive in (
            ("memory.usage_in_bytes", "total_inactive_file"),
            ("memory.current", "inactive_file"),
        ):
            text = group.read("memory", name).strip()
            if text:
                cached = _table(group.read("memory", "memory.stat")).get(inactive, 0)
                return max(0, int(text) - cached)
    return sum(map(_memory_of, pids))


def _memory_of(pid: int) -> int:
    """Its part of what it shares with others, where we may know; else all of it."""
    for name, field in (("smaps_rollup", "Pss"), ("status", "VmRSS")):
        text = _read(f"/proc/{pid}/{name}")
        for line in text.splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) << 10
    return 0


def _limit(group: Cgroup | None) -> int:
    total = _table(_read("/proc/meminfo").replace(":", "")).get("MemTotal", 0) << 10
    if group is not None:
        for name in ("memory.limit_in_bytes", "memory.max"):
            text = group.read("memory", name).strip()
            if text.isdecimal() and int(text) < _ENDLESS:
                return min(int(text), total)
    return total


def _network(init: int) -> tuple[int, int]:
    """Bytes received and sent by all its interfaces but the loopback."""
    received = sent = 0
    for line in _read(f"/proc/{init}/net/dev").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        if name.strip() != "lo" and len(fields) > 8:
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def _disks(group: Cgroup | None, pids: tuple[int, ...]) -> tuple[int, int]:
    if group is not None:
        text = group.read("io", "blkio.throttle.io_service_bytes_recursive")
        if text:
            words = [line.split() for line in text.splitlines()]
            return _sum(words, "Read"), _sum(words, "Write")
        text = group.read("io", "io.stat")
        if text:
            pairs = [word.partition("=")[::2] for word in text.split() if "=" in word]
            return tuple(  # type: ignore[return-value]
                sum(int(count) for key, count in pairs if key == name)
                for name in ("rbytes", "wbytes")
            )
    tables = [_table(_read(f"/proc/{pid}/io").replace(":", "")) for pid in pids]
    read = sum(table.get("read_bytes", 0) for table in tables)
    return read, sum(table.get("write_bytes", 0) for table in tables)


def _sum(lines: list[list[str]], kind: str) -> int:
    """Of `MAJOR:MINOR KIND BYTES` (cgroup-v1/blkio-controller.rst)."""
    return sum(int(line[2]) for line in lines if len(line) == 3 and line[1] == kind)


def _table(text: str) -> dict[str, int]:
    """Lines of a name and a number."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        words = rest.split()
        if words and words[0].isdecimal():
            found[name] = int(words[0])
    return found


def _read(path: str) -> str:
    """What a file of /proc says; "" when its process has ended, or is not ours."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
