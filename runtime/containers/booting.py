"""What runs again when the machine has come up, and its end when that goes down.

Docker's rules (moby, daemon/daemon.go, restore): a container that was started before
runs again where its policy is `always`, where it is `unless-stopped` and no user has
stopped it, and where it is `on-failure`, it failed and may still be tried again.
"""

from __future__ import annotations

import os
import select

from lamina.runtime import syscalls
from lamina.runtime.containers import joining, state
from lamina.runtime.keeper.restarts import ALWAYS, ON_FAILURE, UNLESS_STOPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.runtime.containers.state import Container, State

_SIGTERM = 15
# The modes in which a container can be that of another one.
_SHARED = ("network", "pid", "ipc")


def is_due(container: Container, found: State, spared: bool = False) -> bool:
    """Whether a container that does not run is to, now that the machine has come up.

    `spared`: it has been up, and those that a user has stopped stay so: the rest has
    lost its keeper.
    """
    if found.is_active or not found.started or (spared and found.stopped):
        return False
    name, _, most = container.options.restart.partition(":")
    if name == ON_FAILURE:
        again = not int(most or 0) or found.restart_count < int(most)
        return found.exit_code != 0 and not found.stopped and again
    return name == ALWAYS or (name == UNLESS_STOPPED and not found.stopped)


def due(root: str, spared: bool = False) -> tuple[Container, ...]:
    """The containers to start, in the order in which that has to be done."""
    found = [one for one, what in state.containers(root) if is_due(one, what, spared)]
    return in_order(found[::-1])


def in_order(containers: Sequence[Container]) -> tuple[Container, ...]:
    """Those whose namespaces others share come before these."""
    placed: dict[str, Container] = {}
    waiting = {container.id: container for container in containers}
    while waiting:
        free = [c for c in waiting.values() if not waiting.keys() & _lenders(c)]
        # Where they share in a circle, none of them can start: it is told of one.
        for container in free or list(waiting.values())[:1]:
            placed[container.id] = waiting.pop(container.id)
    return tuple(placed.values())


def _lenders(container: Container) -> set[str]:
    modes = (getattr(container.options, name) for name in _SHARED)
    return {joining.other(mode) for mode in modes} - {""}


def stop_all(root: str) -> tuple[Container, ...]:
    """Ask all containers to end, each in its time, and wait until they have.

    Their keepers do it (keeper/program.py): nobody forgets that they were running.
    """
    stopping: dict[int, Container] = {}
    for container, found in state.containers(root):
        keeper = state.open_process(found.keeper)
        if keeper is None:
            continue
        try:
            syscalls.pidfd_send_signal(keeper, _SIGTERM)
        except OSError:
            os.close(keeper)  # it has ended, or is another user's
            continue
        stopping[keeper] = container
    _wait_for(stopping)
    return tuple(stopping.values())


def _wait_for(processes: Iterable[int]) -> None:
    waiting = set(processes)
    poll = select.poll()
    for pidfd in waiting:
        poll.register(pidfd, select.POLLIN)
    while waiting:
        for pidfd, _ in poll.poll():
            poll.unregister(pidfd)
            os.close(pidfd)
            waiting.discard(pidfd)
