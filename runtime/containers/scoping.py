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
from lamina.runtime.cgroups.hierarchy import MOUNT, write
from lamina.runtime.cgroups.scopes import SYSTEM, USER
from lamina.runtime.errors import LimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.containers.state import Container
    from lamina.runtime.owner import Owner
    from lamina.runtime.spec import Resources

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
    scope = scopes.named(f"lamina-{container.id}", above)
    text = f"lamina container {container.name}"
    path = systemd.start(asked, scope, keeper.pid, text)
    if not path:
        raise LimitError(f"{scope.unit} ended before its container began.")
    if os.path.exists(f"{MOUNT}/cgroup.controllers"):
        # Only the leaves of a tree of version 2 may hold processes.
        own = f"{MOUNT}{path}/keeper"
        os.mkdir(own)
        write(f"{own}/cgroup.procs", str(keeper.pid))
    return chosen.at(f"{path}/container", resources)
