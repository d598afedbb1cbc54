"""Changing what a container was given: its limits, and when it is started again."""

from __future__ import annotations

import os

from lamina.runtime.containers import control, events, resources, state
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import Resources
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container, State


def update(root: str, container: Container, options: Options) -> None:
    """Give a container `options`, which differ in limits and the policy alone.

    The kernel has the limits before the record does. Raises ContainerError, and then
    nothing has changed.
    """
    before = container.options
    _check(before, options)
    found = state.see(root, container.id)
    limits = resources.changed(before, options)
    if found.is_running and found.cgroup:
        group = cgroup_of(root, container, found)
        group.limit(limits)
        if group.warning:
            raise ContainerError(f"The limits are not changed: {group.warning}.")
        tell_keeper(root, container, group)
    elif found.is_running and limits != Resources(derive_swap=False):
        raise ContainerError(
            "This container has no cgroup, which could limit it.",
            hint="An ordinary user has one where systemd delegates it.",
        )
    with state.locked(root):
        now = state.load_container(root, container.id)
        place = state.directory(root, container.id)
        state.save_container(place, replace(now, options=options))
    if options.restart != before.restart and found.is_active:
        name, _, most = options.restart.partition(":")
        request = {"op": "policy", "policy": [name, int(most or 0)]}
        control.ask(root, container.id, request)
    events.tell(root, container, "update")


def cgroup_of(root: str, container: Container, found: State) -> Cgroup:
    """The cgroup of a container that runs. A user's without one is put into one by
    their systemd, where they have one; else what is given does not exist."""
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.cgroups.hierarchy import place_of

    group = Cgroup(found.cgroup)
    if group.exists or found.init is None:
        return group
    place = place_of(found.init.pid)
    if place.endswith(f"/{found.cgroup}"):
        return Cgroup(place)  # below what was delegated to who started it
    from lamina.runtime.containers.scoping import adopt

    adopted = adopt(container, found)
    if adopted is None:
        return group
    tell_keeper(root, container, adopted)
    return adopted


def tell_keeper(root: str, container: Container, group: Cgroup) -> None:
    """What it starts from now on, by `exec` or anew, has the new limits as well."""
    from lamina.runtime.isolation.request import open_cgroups

    files = open_cgroups(group.directories)
    try:
        request = {"op": "enter", "cgroup": group.path}
        control.ask(root, container.id, request, tuple(files))
    finally:
        for fd in files:
            os.close(fd)


def _check(before: Options, after: Options) -> None:
    resources.check(after)
    if after.remove and after.restart not in (before.restart, "no"):
        raise ContainerError(
            "The restart policy cannot be updated because --rm is enabled for the "
            "container."
        )
    given = before.memory_swap or 2 * before.memory
    if after.memory_swap == before.memory_swap and 0 < given < after.memory:
        raise ContainerError(
            "Memory limit should be smaller than already set memoryswap limit, update "
            "the memoryswap at the same time.",
            hint="`--memory-swap` is memory and swap together; -1 is any.",
        )
