"""The ports that a group's members share: had from one who lives, or opened.

Whoever starts a member with ports holds the group's lock until its keeper has them: of
two that start at once the second one borrows what the first has bound.

    <groups>/.NAME.lock    the lock (network/groups.py says what <groups> is)
"""

from __future__ import annotations

import _socket
import time

from lamina.oci.files.lock import Lock
from lamina.runtime.containers import state
from lamina.runtime.errors import ContainerError
from lamina.runtime.keeper.lending import borrow_ports
from lamina.runtime.network import addresses
from lamina.runtime.network.network_state import network_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.runtime.keeper.lending import HostPort
    from lamina.runtime.network.endpoint import Endpoint
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.network.published import Lent

# For a keeper that has the ports and does not listen yet, in seconds.
_PATIENCE = 5.0


def lock(endpoint: Endpoint) -> Lock:
    """Held while a member of the endpoint's group opens ports that are shared."""
    groups = network_of(endpoint.place).groups
    return Lock(f"{groups}/.{endpoint.group}.lock")


def borrow(root: str, endpoint: Endpoint, mappings: Iterable[PortMapping]) -> Lent:
    """The sockets of host ports that other members of the endpoint's group have."""
    wanted: dict[HostPort, PortMapping] = {
        (one.protocol, one.host_ip, one.host_port): one
        for one in mappings
        if one.is_definite
    }
    found: dict[PortMapping, list[_socket.socket]] = {}
    for identity in _others(endpoint):
        missing = tuple(port for port in wanted if wanted[port] not in found)
        if not missing:
            break
        for port, fds in _ask(root, identity, missing).items():
            found[wanted[port]] = [_socket.socket(fileno=fd) for fd in fds]
    return found


def _others(endpoint: Endpoint) -> Iterator[str]:
    """The containers that are members beside the endpoint's own."""
    for leased in addresses.living(network_of(endpoint.place).leases):
        if leased.group == endpoint.group and leased.address != endpoint.address:
            yield leased.owner.name


def _ask(
    root: str, identity: str, ports: tuple[HostPort, ...]
) -> dict[HostPort, tuple[int, ...]]:
    """What a member's keeper has of ports; nothing when it is gone."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            return borrow_ports(state.directory(root, identity), ports)
        except OSError:
            if not _is_kept(root, identity):
                break
        time.sleep(0.005)
    return {}


def _is_kept(root: str, identity: str) -> bool:
    """Whether a keeper has the container, and will listen. One that somebody starts
    who waits for the group's lock has no endpoints yet."""
    try:
        found = state.see(root, identity)
    except ContainerError:
        return False
    return found.keeper is not None and found.keeper.alive and bool(found.endpoints)
