"""Groups of containers as the Engine API has services of a network (ServiceInfo)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.network.addresses import Leased


def services_json(root: str, place: str) -> dict[str, dict[str, Any]]:
    """`Services` of a network: each group that has members, or had two once."""
    from lamina.runtime.network import addresses, groups
    from lamina.runtime.network.network_state import network_of

    network = network_of(place)
    if not os.access(network.groups, os.R_OK | os.X_OK):
        return {}  # there are none, or they are not for an ordinary user to see
    virtual = groups.virtual(network)
    members: dict[str, list[Leased]] = {name: [] for name in virtual}
    for leased in addresses.living(network.leases):
        if leased.group:
            members.setdefault(leased.group, []).append(leased)
    return {
        name: {
            "VIP": virtual.get(name, ""),
            "Ports": _ports(root, members[name]),
            "LocalLBIndex": 0,
            "Tasks": [_task(place, leased) for leased in members[name]],
        }
        for name in sorted(members)
    }


def _ports(root: str, members: list[Leased]) -> list[str]:
    """The ports that members have published, as `ps` shows them."""
    from lamina.runtime.containers import state
    from lamina.runtime.errors import ContainerError

    found: dict[str, None] = {}
    for leased in members:
        try:
            found |= dict.fromkeys(state.see(root, leased.owner.name).ports)
        except ContainerError:
            continue  # it has just gone
    return list(found)


def _task(place: str, leased: Leased) -> dict[str, Any]:
    from lamina.cli.containers.endpoint_json import endpoint_id

    owner = leased.owner.name
    return {
        "Name": leased.names[0] if leased.names else owner[:12],
        "EndpointID": endpoint_id(owner, place),
        "EndpointIP": leased.address,
        "Info": {"Rotation": leased.rotation},
    }
