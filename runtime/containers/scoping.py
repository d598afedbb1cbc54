"""A container's cgroup in a scope of systemd's (cgroups/scoped.py): the keeper is in
the scope, and the container in `container` below it, with its limits."""

from __future__ import annotations

import os

from lamina.runtime.cgroups import chosen, scoped, systemd
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import MOUNT
from lamina.runtime.cgroups.scopes import USER
from lamina.runtime.containers.members import in_namespace
from lamina.runtime.spec import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.owner import Owner


def in_scope(
    asked: str,
    container: Container,
    keeper: Owner,
    resources: Resources,
    above: str = scoped.USUAL,
) -> Cgroup:
    """The container's cgroup in a new scope that the manager `asked` makes around its
    keeper; raises LimitError."""
    path = _begun(asked, container, (keeper.pid,), above)
    return chosen.at(f"{path}/container", resources)


def adopt(container: Container, found: State) -> Cgroup | None:
    """A cgroup for a container of a user's that runs without one; None where systemd
    makes none, or others are in its pid namespace. Raises LimitError.

    The processes are moved while they go on: what is born outside meanwhile follows.
    """
    keeper, init = found.keeper, found.init
    if keeper is None or init is None or container.options.pid:
        return None
    if scoped.manager() != USER:
        return None
    path = _begun(USER, container, (keeper.pid, init.pid), scoped.USUAL)
    os.mkdir(f"{MOUNT}{path}/container")
    group = Cgroup(f"{path}/container")
    group.add(init.pid)
    unit = f"{_name(container)}.scope"
    while outside := {*in_namespace(init.pid)} - {*group.procs()}:
        for pid in outside:
            systemd.attach(USER, unit, "/container", pid)
    return chosen.around(group.path, Resources())


def _begun(asked: str, container: Container, pids: tuple[int, ...], above: str) -> str:
    text = f"lamina container {container.name}"
    return scoped.begin(asked, _name(container), above, pids, text)


def _name(container: Container) -> str:
    return f"lamina-{container.id}"
