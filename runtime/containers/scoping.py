"""A container's cgroup in a scope of systemd's (cgroups/scoped.py): the keeper is in
the scope, and the container in `container` below it, with its limits."""

from __future__ import annotations

import os

from lamina.runtime.cgroups import chosen, scoped, systemd
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import MOUNT, place_of
from lamina.runtime.cgroups.scopes import USER
from lamina.runtime.containers.members import has_ended, in_namespace
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.owner import Owner

# So often those are looked for who were born outside a cgroup while others were moved.
_ROUNDS = 100


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
    makes none, or others are in its pid namespace. Raises ContainerError.

    The processes are moved while they go on: what is born outside meanwhile follows.
    Called again it goes on where it ended.
    """
    keeper, init = found.keeper, found.init
    if keeper is None or init is None or container.options.pid:
        return None
    if scoped.manager() != USER:
        return None
    unit = f"{_name(container)}.scope"
    above, begun, _ = place_of(init.pid).partition(f"/{unit}")
    if begun:
        path = above + begun
        scoped.settle(path, keeper.pid)
    else:
        path = _begun(USER, container, (keeper.pid, init.pid), scoped.USUAL)
    os.makedirs(f"{MOUNT}{path}/container", exist_ok=True)
    group = Cgroup(f"{path}/container")
    group.add(init.pid)
    left = gather(
        init.pid, group, lambda pid: systemd.attach(USER, unit, "/container", pid)
    )
    if left:
        pids = ", ".join(map(str, left))
        raise ContainerError(
            f"Processes of {container.name} are born faster than they can be put into "
            f"its cgroup: {pids}.",
            hint="Try again; one that is started with a limit, as --pids-limit, has a "
            "cgroup from the beginning.",
        )
    return chosen.around(group.path, Resources())


def gather(
    init: int, group: Cgroup, attach: Callable[[int], object]
) -> tuple[int, ...]:
    """Attach to a cgroup who is in the pid namespace of `init` and outside of it; those
    who are outside after all, which a process that only forks and ends always is."""
    outside: tuple[int, ...] = ()
    calm = 0
    for _ in range(_ROUNDS):
        inside = frozenset(group.procs())
        others = (pid for pid in in_namespace(init) if pid not in inside)
        outside = tuple(pid for pid in others if not has_ended(pid))
        # One that was born and had gone while the list was read is not seen at once.
        calm = 0 if outside else calm + 1
        if calm > 1:
            break
        for pid in outside:
            attach(pid)
    return outside


def _begun(asked: str, container: Container, pids: tuple[int, ...], above: str) -> str:
    text = f"lamina container {container.name}"
    return scoped.begin(asked, _name(container), above, pids, text)


def _name(container: Container) -> str:
    return f"lamina-{container.id}"
