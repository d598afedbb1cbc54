"""A scope of systemd's around a process that starts others, for who may make no cgroups
by themselves, and below a slice.

A user may move processes within what systemd gave them, and not into it: so who starts
them has to be inside. Whatever dies, systemd removes a scope when the last process in
it has ended.

    SLICE/NAME.scope/keeper    who starts them; on version 1, in the scope itself
    SLICE/NAME.scope/...       cgroups with limits
"""

from __future__ import annotations

import os

from lamina.runtime.cgroups import scopes, systemd
from lamina.runtime.cgroups.bus import outer_id
from lamina.runtime.cgroups.hierarchy import MOUNT, write
from lamina.runtime.cgroups.scopes import SYSTEM, USER
from lamina.runtime.errors import LimitError

USUAL = "app.slice"


def manager() -> str:
    """Which systemd makes scopes for this user; "" where none does. A user's has
    controllers to give on version 2 alone."""
    if outer_id() == 0:
        return SYSTEM if systemd.runs() else ""
    return USER if _unified() and systemd.has_user_manager() else ""


def begin(asked: str, name: str, above: str, pids: tuple[int, ...], text: str) -> str:
    """Have a manager make NAME.scope in a slice around processes, the first of which
    starts others; its path. Raises LimitError."""
    scope = scopes.named(name, above)
    path = systemd.start(asked, scope, pids, text)
    if not path:
        raise LimitError(f"{scope.unit} ended before it was used.")
    settle(path, pids[0])
    return path


def settle(path: str, first: int) -> None:
    """Have who starts others in its own cgroup of a scope, if it is not there yet."""
    if _unified():
        # Only the leaves of a tree of version 2 may hold processes.
        own = f"{MOUNT}{path}/keeper"
        os.makedirs(own, exist_ok=True)
        write(f"{own}/cgroup.procs", str(first))


def _unified() -> bool:
    return os.path.exists(f"{MOUNT}/cgroup.controllers")
