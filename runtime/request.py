"""What a zygote is sent: values as what marshal can carry, places as descriptors."""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.mounts import Plan, clone_source, set_attributes
from lamina.runtime.privileges import capability_set, rlimit_number
from lamina.runtime.snapshot import Snapshot
from lamina.runtime.spec import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# /proc/PID/ns names with the flag that setns takes.
_NAMESPACES = (
    ("mnt", syscalls.CLONE_NEWNS),
    ("pid", syscalls.CLONE_NEWPID),
    ("uts", syscalls.CLONE_NEWUTS),
    ("ipc", syscalls.CLONE_NEWIPC),
    ("net", syscalls.CLONE_NEWNET),
    ("cgroup", syscalls.CLONE_NEWCGROUP),
    ("user", syscalls.CLONE_NEWUSER),
)


def layers(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.lowers, snapshot.upper, snapshot.work, snapshot.volatile


def process_of(process: Process) -> dict[str, Any]:
    return {
        **process.__dict__,
        "capabilities": capability_set(process.capabilities),
        "rlimits": tuple(
            (rlimit_number(r.type), r.soft, r.hard) for r in process.rlimits
        ),
    }


def bind_fds(planned: Plan, given: tuple[int, ...]) -> list[int]:
    """A descriptor for each bind mount: the path's, or the next of those given."""
    fds: list[int] = []
    rest = list(given)
    try:
        for mount in planned.binds:
            if mount.source:
                fds.append(clone_source(mount))
            else:
                set_attributes(rest[0], mount)
                fds.append(os.dup(rest.pop(0)))
        assert not rest, "more descriptors than bind mounts without a source"
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def open_cgroups(directories: tuple[str, ...]) -> list[int]:
    """The files that who joins writes to.

    v1 has `tasks` beside cgroup.procs: it moves one thread, which is all there is,
    and does not wait for the grace period (10 ms) that moving a process takes.
    """
    fds: list[int] = []
    try:
        for directory in directories:
            tasks = f"{directory}/tasks"
            path = tasks if os.path.exists(tasks) else f"{directory}/cgroup.procs"
            fds.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise ContainerError(
            f"cannot join the cgroup {directory}: {error.strerror}"
        ) from error
    return fds


def pid_of(pidfd: int) -> int:
    """The pid, as this process sees it, from the descriptor's fdinfo (proc(5))."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        for line in file:
            if line.startswith(b"Pid:"):
                return int(line[4:])
    return -1


def namespaces_of(pidfd: int) -> int:
    """Those namespaces of a process that are not ours: what to give to setns."""
    pid = pid_of(pidfd)
    flags = 0
    try:
        for name, flag in _NAMESPACES:
            if os.stat(f"/proc/{pid}/ns/{name}") != os.stat(f"/proc/self/ns/{name}"):
                flags |= flag
    except OSError as error:
        raise ContainerError(
            f"cannot enter the container: {error.strerror}",
            hint="it has ended, or it belongs to another user",
        ) from error
    return flags
