"""Making and removing networks: the record in the store, the bridge in the machine.

<place>/store     which store a network of the machine is of
"""

from __future__ import annotations

import os
import time

from lamina.oci.files.removal import remove_tree
from lamina.oci.store import journal
from lamina.runtime.errors import NetworkError
from lamina.runtime.network import addresses, definitions, network, planning
from lamina.runtime.network import layout as layouts
from lamina.runtime.network.definitions import Definition
from lamina.runtime.network.network_state import (
    Lock,
    is_hosts,
    network_of,
    networks_of,
)
from lamina.runtime.network.planning import Request
from lamina.runtime.network.predefined import PREDEFINED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.runtime.network.hub import Hub


def create(
    root: str,
    name: str,
    request: Request,
    options: Mapping[str, str],
    labels: Mapping[str, str],
    attachable: bool = False,
) -> Definition:
    """A new network, in the store and in the machine; raises NetworkError.

    What dies on the way leaves a network without a record, which `collect` removes.
    """
    definitions.check_name(name)
    identity = os.urandom(32).hex()
    base = networks_of(root)
    # Held while a subnet is chosen: the machine's, as all stores share its addresses.
    with definitions.locked(root), Lock(network_of(f"{os.path.dirname(base)}/network")):
        known = list(definitions.definitions(root))
        if any(other.name == name for other in known):
            raise NetworkError(
                f"network with name {name} already exists",
                hint="`lamina network rm` removes it, unless containers are on it.",
            )
        _check_bridge(options)
        taken = (
            *planning.known_subnets((other.layout for other in known), base),
            *network.taken_subnets(),
        )
        layout = planning.plan(request, options, taken, identity)
        made = Definition(
            name, identity, time.time_ns(), labels, options, attachable, layout, base
        )
        try:
            restore(root, made)
            definitions.save(root, made)
        except BaseException:
            _unmake(made.place, None)
            raise
    journal.note(root, "network", "create", identity, _described(made))
    return made


def restore(root: str, found: Definition) -> None:
    """Make in the machine what is in the store: after it was started anew."""
    os.makedirs(found.place, mode=0o700, exist_ok=True)
    with open(f"{found.place}/store", "w") as file:
        file.write(root)
    if is_hosts():
        network.establish(found.place, found.layout)
    else:
        # The first container that is on it makes it, in the user's hub.
        layouts.write(found.place, found.layout)


def remove(root: str, name: str, hub: Hub | None = None) -> Definition:
    """Remove a network that no running container is on; raises NetworkError.

    `hub` is where an ordinary user's networks are, if they are at all now.
    """
    if name in PREDEFINED:
        raise NetworkError(f"{name} is a pre-defined network and cannot be removed.")
    with definitions.locked(root):
        found = definitions.load(root, name)
        on_it = containers_on(found)
        if on_it or not _unmake(found.place, hub):
            raise NetworkError(
                f"network {found.name} has active endpoints: "
                + ", ".join(sorted(on_it.values())),
                hint="Stop those containers, or `lamina network disconnect` them.",
            )
        definitions.forget(root, found)
    journal.note(root, "network", "destroy", found.id, _described(found))
    return found


def _unmake(place: str, hub: Hub | None) -> bool:
    """Remove from the machine what of a network is in it; False while it is in use."""
    if is_hosts():
        gone = network.remove_network(place)
    elif hub is not None:
        gone = hub.run(lambda: network.remove_network(place))
    else:
        gone = True
    if gone:
        remove_tree(place)
    return gone


def collect(root: str) -> None:
    """Remove from the machine what networks that nobody knows have left there."""
    base = networks_of(root)
    try:
        places = os.listdir(base)
    except FileNotFoundError:
        return
    with definitions.locked(root):
        known = {found.id[:16] for found in definitions.definitions(root)}
        for name in places:
            place = f"{base}/{name}"
            if name not in known and _store_of(place) == root:
                _unmake(place, None)


def _store_of(place: str) -> str:
    try:
        with open(f"{place}/store") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def containers_on(found: Definition) -> dict[str, str]:
    """The containers that are on a network now: their IDs and names."""
    leases = network_of(found.place).leases
    on_it = {}
    if os.path.isdir(leases):
        for address in addresses.leases(leases):
            leased = addresses.read(leases, address)
            if leased is not None:
                owner = leased.owner.name
                on_it[owner] = leased.names[0] if leased.names else owner[:12]
    return on_it


def _check_bridge(options: Mapping[str, str]) -> None:
    wanted = options.get("com.docker.network.bridge.name", "")
    if wanted and os.path.exists(f"/sys/class/net/{wanted}"):
        raise NetworkError(
            f"There is a link {wanted} already.",
            hint="A network makes its own bridge, and removes it.",
        )


def _described(found: Definition) -> dict[str, str]:
    return {"name": found.name, "type": "bridge"}
