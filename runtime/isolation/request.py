"""What a zygote is sent: values as what marshal can carry, places as descriptors."""

from __future__ import annotations

import os
from struct import pack

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.privileges import capability_set, rlimit_number
from lamina.runtime.isolation.snapshot import parts_of
from lamina.runtime.spec import Process, Scheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.isolation.mounts import Plan
    from lamina.runtime.isolation.namespaces import Membership
    from lamina.runtime.isolation.snapshot import Snapshot
    from lamina.runtime.spec import Spec


def early_part(
    spec: Spec, planned: Plan, spaces: Membership, own_cgroup: bool
) -> dict[str, Any]:
    """What of a launch does not depend on its root (setup.prepare); `own_cgroup`: it
    will be put into one."""
    return {
        "operations": tuple(op.wire() for op in planned.early),
        "hostname": spec.hostname,
        "domainname": spec.domainname,
        "sysctl": dict(spec.sysctl),
        "capabilities": capability_set(spec.process.capabilities),
        "new": spaces.new,
        "joins": spaces.joins,
        "own": spaces.own,
        "own_cgroup": own_cgroup,
    }


def late_part(
    spec: Spec, planned: Plan, snapshot: Snapshot | None, bpf: bytes, cgroups: int
) -> dict[str, Any]:
    """The rest of a launch (setup.finish). Without a `snapshot` its root comes as a
    descriptor, behind those of so many `cgroups`."""
    return {
        "operations": tuple(op.wire() for op in planned.late),
        "root": None if snapshot is None else parts_of(snapshot),
        "process": process_of(spec.process),
        "bpf": bpf,
        "cgroups": cgroups,
    }


def process_of(process: Process) -> dict[str, Any]:
    return {
        **process.__dict__,
        "capabilities": capability_set(process.capabilities),
        "sets": _sets(process),
        "scheduler": _scheduling(process.scheduler),
        "rlimits": tuple(
            (rlimit_number(r.type), r.soft, r.hard) for r in process.rlimits
        ),
    }


def _sets(process: Process) -> tuple[int, int, int, int]:
    """The effective, permitted, inheritable and ambient set."""
    bounding = process.capabilities
    named = (
        bounding if process.effective is None else process.effective,
        bounding if process.permitted is None else process.permitted,
        process.inheritable,
        process.ambient,
    )
    effective, permitted, inheritable, ambient = map(capability_set, named)
    return effective, permitted, inheritable, ambient


def _scheduling(scheduler: Scheduler | None) -> bytes:
    """A struct sched_attr, or b""."""
    if scheduler is None:
        return b""
    s = scheduler
    times = (s.runtime, s.deadline, s.period)
    return pack("=IIQiI3Q", 48, s.policy, s.flags, s.nice, s.priority, *times)


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
            f"Cannot join the cgroup {directory}: {error.strerror}."
        ) from error
    return fds
