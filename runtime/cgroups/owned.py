"""Cgroups that belong to a process, and go when it is gone.

One is `lamina/LABEL.PID-START-NAMESPACE` in each hierarchy that it uses. The name tells
its owner, so that `collect` finds what the dead have left. With v1 a directory is made
only in the hierarchies that serve: `pids`, `devices`, `freezer`, and those that the
limits need.
"""

from __future__ import annotations

import os

from lamina.runtime.cgroups.cgroup import Cgroup, remove
from lamina.runtime.cgroups.hierarchy import MOUNT, PARENT, hierarchies
from lamina.runtime.owner import Owner
from lamina.runtime.spec import Resources
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# For all steps of a build together: far above what a parallel `make` or a few JVMs
# need, and low enough that a fork bomb starves before the machine does.
BUILD_PIDS = 4096

_ALWAYS = frozenset(("pids", "devices", "freezer"))


def create(
    label: str,
    resources: Resources,
    ceiling: int = 0,
    mount: str = MOUNT,
    owner: Owner | None = None,
) -> Cgroup:
    """A new cgroup that belongs to `owner`, which is this process by default, with
    limits and device rules.

    `ceiling` is a limit of processes that nobody asked for: without it is fine.
    Raises LimitError where the kernel lacks what was asked for; for a user who
    may not write cgroups, `warning` says what is not limited.
    """
    of = owner or Owner.of(label)
    path = f"{PARENT}/{label}.{of.pid}-{of.start}-{_pid_namespace()}"
    group = Cgroup(path, mount)
    try:
        group.enter_hierarchies(_ALWAYS)
        if ceiling and not resources.pids:
            group.enforce(Resources(pids=ceiling), asked=False)
        group.limit_devices(resources)
        group.limit(resources)
    except BaseException:
        group.delete()
        raise
    return group


def collect(mount: str = MOUNT) -> tuple[str, ...]:
    """Remove the cgroups whose owners are dead, with all processes inside."""
    return _remove_those(lambda owner: not owner.alive, mount)


def clear(mount: str = MOUNT) -> None:
    """Remove the cgroups of this process, which is about to end: what an interrupt
    left between two lines."""
    me = os.getpid()
    _remove_those(lambda owner: owner.pid == me, mount)


def _remove_those(wanted: Callable[[Owner], bool], mount: str) -> tuple[str, ...]:
    found: set[str] = set()
    for h in hierarchies(mount):
        try:
            names = os.listdir(f"{h.base}/{PARENT}") if h.base else []
        except FileNotFoundError:
            continue
        owners = ((name, _owner(name)) for name in names)
        found.update(f"{PARENT}/{n}" for n, owner in owners if owner and wanted(owner))
    for path in found:
        remove(path, mount)
    return tuple(sorted(found))


def _owner(name: str) -> Owner | None:
    """The owner in a cgroup's name; None for another namespace's, or no one's."""
    label, _, words = name.rpartition(".")
    numbers = words.split("-")
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        return None
    pid, start, namespace = map(int, numbers)
    if namespace != _pid_namespace():
        return None
    return replace(Owner.of(label), pid=pid, start=start)


def _pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino
