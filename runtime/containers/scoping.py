"""A container's cgroup in a scope of systemd's: for who may make none by themselves,
and below a slice.

The scope has the keeper in it, which starts the container's processes: an ordinary
user may move processes within what systemd gave them, and not into it. Whatever dies,
systemd removes a scope when the last process in it has ended.

    SLICE/lamina-ID.scope/keeper       the keeper; on version 1, in the scope itself
    SLICE/lamina-ID.scope/container    the container, with its limits
"""

from __future__ import annotations

import os

from lamina.runtime.cgroups import chosen, scopes, systemd
from lamina.runtime.cgroups.bus import outer_id
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import MOUNT, write
from lamina.runtime.cgroups.scopes import SYSTEM, USER
from lamina.runtime.containers.members import in_namespace
from lamina.runtime.errors import LimitError
from lamina.runtime.spec import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.owner import Owner

_USUAL = "app.slice"


def manager() -> str:
    """Which systemd makes scopes for this user; "" where none does. A user's has
    controllers to give on version 2 alone."""
    if outer_id() == 0:
        return SYSTEM if systemd.runs() else ""
    unified = os.path.exists(f"{MOUNT}/cgroup.controllers")
    return USER if unified and systemd.has_user_manager() else ""


def in_scope(
    asked: str,
    container: Container,
    keeper: Owner,
    resources: Resources,
    above: str = _USUAL,
) -> Cgroup:
    """The container's cgroup in a new scope that the manager `asked` makes around its
    keeper; raises LimitError."""
    path = _made(asked, container, (keeper.pid,), above)
    _set_aside(path, keeper)
    return chosen.at(f"{path}/container", resources)


def adopt(container: Container, found: State) -> Cgroup | None:
    """A cgroup for a container of a user's that runs without one; None where systemd
    makes none, or others are in its pid namespace. Raises LimitError.

    The processes are moved while they go on: what is born outside meanwhile follows.
    """
    keeper, init = found.keeper, found.init
    if keeper is None or init is None or container.options.pid or manager() != USER:
        return None
    path = _made(USER, container, (keeper.pid, init.pid), _USUAL)
    _set_aside(path, keeper)
    os.mkdir(f"{MOUNT}{path}/container")
    group = Cgroup(f"{path}/container")
    group.add(init.pid)
    while outside := {*in_namespace(init.pid)} - {*group.procs()}:
        for pid in outside:
            systemd.attach(USER, _name(container), "/container", pid)
    return chosen.around(group.path, Resources())


def _name(container: Container) -> str:
    return f"lamina-{container.id}.scope"


def _made(asked: str, container: Container, pids: tuple[int, ...], above: str) -> str:
    """The path of a new scope."""
    scope = scopes.named(_name(container).removesuffix(".scope"), above)
    text = f"lamina container {container.name}"
    path = systemd.start(asked, scope, pids, text)
    if not path:
        raise LimitError(f"{scope.unit} ended before its container began.")
    return path


def _set_aside(path: str, keeper: Owner) -> None:
    """Only the leaves of a tree of version 2 may hold processes."""
    if os.path.exists(f"{MOUNT}/cgroup.controllers"):
        own = f"{MOUNT}{path}/keeper"
        os.mkdir(own)
        write(f"{own}/cgroup.procs", str(keeper.pid))
