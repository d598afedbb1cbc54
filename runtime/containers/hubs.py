"""An ordinary user's hub (network/hub.py): had from who is on it, or made."""

from __future__ import annotations

import contextlib
import os
import time

from lamina.oci.files.lock import Lock
from lamina.runtime.containers import state
from lamina.runtime.errors import ContainerError
from lamina.runtime.keeper.lending import HUB, borrow
from lamina.runtime.network import network
from lamina.runtime.network.hub import Hub, make
from lamina.runtime.network.network_state import is_hosts
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.runtime.network.endpoint import Endpoint
    from lamina.runtime.owner import Owner

# For a keeper that has a container on it and does not listen yet, in seconds.
_PATIENCE = 5.0


def lock(root: str) -> Lock:
    """Held until the keeper of who makes a hub has it: there is to be one."""
    os.makedirs(f"{root}/run", mode=0o700, exist_ok=True)
    return Lock(f"{root}/run/hub")


def obtain(root: str, identity: str) -> Hub:
    """The hub of this store's user, for the container `identity`; the caller has the
    lock. Raises ContainerError."""
    return existing(root, identity) or make()


def existing(root: str, identity: str = "") -> Hub | None:
    """The hub that other containers are on now."""
    for place in _on_it(root, identity):
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(ContainerError):
                return Hub(*borrow(place, HUB))
            if not _lives(root, place):
                break
            time.sleep(0.02)
    return None


def disconnect(root: str, endpoint: Endpoint, me: Owner | None = None) -> None:
    """Give an address of a network back, as network.disconnect does: from where the
    networks are, if there is anything that leads to it; raises NetworkError."""
    if not endpoint.group or is_hosts():
        network.disconnect(endpoint.place, endpoint, me)
        return
    hub = existing(root)
    if hub is None:
        # What led to it is gone with the hub.
        network.disconnect(endpoint.place, replace(endpoint, group=""), me)
        return
    try:
        hub.run(lambda: network.disconnect(endpoint.place, endpoint, me))
    finally:
        hub.close()


def _on_it(root: str, identity: str) -> Iterator[str]:
    """The directories of the containers that are on a network of the user's."""
    for container, found in state.containers(root):
        on_it = any(one.place.startswith(f"{root}/run/") for one in found.endpoints)
        alive = found.keeper is not None and found.keeper.alive
        if on_it and alive and container.id != identity:
            yield state.directory(root, container.id)


def _lives(root: str, place: str) -> bool:
    try:
        found = state.see(root, os.path.basename(place))
    except ContainerError:
        return False
    return found.keeper is not None and bool(found.endpoints)
