"""Cgroups whose place somebody else has chosen, and counts by."""

from __future__ import annotations

from lamina.runtime.cgroups.cgroup import Cgroup, remove
from lamina.runtime.cgroups.hierarchy import MOUNT, hierarchies
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.spec import Resources


def at(path: str, resources: Resources, mount: str = MOUNT) -> Cgroup:
    """The cgroup `path`, made in every hierarchy that is there, with limits and device
    rules.

    Raises LimitError as owned.create does.
    """
    group = Cgroup(path, mount)
    if group.procs():
        raise ContainerError(
            f"The cgroup {path} has processes already.",
            hint="Two containers cannot have the same cgroup.",
        )
    try:
        _settle(group, resources)
    except BaseException:
        group.delete()
        raise
    return group


def below(path: str, resources: Resources, mount: str = MOUNT) -> Cgroup:
    """The cgroup `path`, whose parent the user has chosen, in every hierarchy.

    What is missing above it is made, and goes with the last cgroup inside. Raises
    LimitError where it cannot be made, and as `at` does.
    """
    from lamina.runtime.cgroups.parents import make_below

    try:
        make_below(hierarchies(mount), path)
    except BaseException:
        remove(path, mount)
        raise
    return at(path, resources, mount)


def around(path: str, resources: Resources, mount: str = MOUNT) -> Cgroup:
    """The cgroup that systemd has made, a path from the root, with what is inside:
    in every hierarchy, also those that systemd does not know. Raises LimitError."""
    group = Cgroup(path, mount)
    _settle(group, resources)
    return group


def _settle(group: Cgroup, resources: Resources) -> None:
    group.enter_hierarchies(group.controllers)
    group.limit_devices(resources)
    group.limit(resources)
