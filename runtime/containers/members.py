"""Which processes are a container's."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.state import State


def members(found: State) -> tuple[int, ...]:
    """The pids of a container that runs, those of `exec` included: what is in its
    cgroup; without one (an ordinary user's), what is in its pid namespace."""
    from lamina.runtime.cgroups.cgroup import Cgroup

    group = Cgroup(found.cgroup) if found.cgroup else None
    if group is not None and group.exists:
        return group.procs()
    assert found.init is not None
    return in_namespace(found.init.pid)


def in_namespace(init: int) -> tuple[int, ...]:
    """The processes in the pid namespace of one."""
    try:
        space = os.stat(f"/proc/{init}/ns/pid").st_ino
    except OSError:
        return ()
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    return tuple(pid for pid in pids if _is_in(pid, space))


def _is_in(pid: int, space: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino == space
    except OSError:
        return False  # it ended, or is another user's


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie: those are in no cgroup, and cannot be put
    into one."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
            return stat.read(4096).rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return True
