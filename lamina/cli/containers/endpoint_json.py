"""Containers on networks, as the Engine API has them: both ways round."""

from __future__ import annotations

import hashlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.endpoints import Settings
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.network.endpoint import Endpoint

_NEVER = "0001-01-01T00:00:00Z"


def moment(nanoseconds: int) -> str:
    """A time as the API has it."""
    if not nanoseconds:
        return _NEVER
    seconds, fraction = divmod(nanoseconds, 10**9)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{fraction:09d}Z"


def sandbox_id(container: Container) -> str:
    """What the API calls the container's network namespace."""
    return hashlib.sha256(f"sandbox:{container.id}".encode()).hexdigest()


def endpoint_id(identity: str, place: str) -> str:
    """What the API calls a container's place on a network."""
    return hashlib.sha256(f"endpoint:{identity}:{place}".encode()).hexdigest()


def networks_json(
    store: Store, container: Container, found: State
) -> dict[str, dict[str, Any]]:
    """`NetworkSettings.Networks`: what was asked of each network, and what is so."""
    from lamina.runtime.containers import endpoints

    options = container.options
    if not endpoints.is_networked(options.network):
        names = endpoints.names_of(options)
        return {name: _endpoint(store, container, None, None, name) for name in names}
    current = {one.name: one for one in found.endpoints if found.is_running}
    return {
        asked.network: _endpoint(
            store, container, asked, current.get(asked.network), asked.network
        )
        for asked in endpoints.settings_of(options)
    }


def _endpoint(
    store: Store,
    container: Container,
    asked: Settings | None,
    at: Endpoint | None,
    name: str,
) -> dict[str, Any]:
    ipam = None
    if asked is not None and (asked.ip or asked.ip6):
        given = {"IPv4Address": asked.ip, "IPv6Address": asked.ip6}
        ipam = {key: address for key, address in given.items() if address}
    own = name not in ("bridge", "none", "host")
    names = list(at.names) if at is not None and own else None
    return {
        "IPAMConfig": ipam,
        "Links": (list(container.options.links) or None) if own else None,
        "Aliases": list(asked.aliases) or None if asked is not None else None,
        "MacAddress": at.mac if at else "",
        "DriverOpts": None,
        "NetworkID": _network_id(store, name),
        "EndpointID": endpoint_id(container.id, at.place) if at else "",
        "Gateway": at.gateway if at else "",
        "IPAddress": at.address if at else "",
        "IPPrefixLen": at.prefix if at else 0,
        "IPv6Gateway": at.gateway6 if at else "",
        "GlobalIPv6Address": at.address6 if at else "",
        "GlobalIPv6PrefixLen": at.prefix6 if at and at.address6 else 0,
        "DNSNames": names,
    }


def _network_id(store: Store, name: str) -> str:
    from lamina.runtime.network import definitions
    from lamina.runtime.network.predefined import PREDEFINED

    if name in PREDEFINED:
        return PREDEFINED[name]
    try:
        return definitions.load(store.root, name).id
    except definitions.NoSuchNetwork:
        return ""  # it was removed while the container did not run


def containers_json(place: str) -> dict[str, dict[str, str]]:
    """`Containers` of a network: those that are on it now."""
    from lamina.runtime.network import addresses, links
    from lamina.runtime.network.network_state import network_of

    network = network_of(place)
    if not os.access(network.leases, os.R_OK | os.X_OK):
        return {}  # there are none, or they are not for an ordinary user to see
    layout = network.layout
    found = {}
    for address in sorted(addresses.leases(network.leases), key=addresses.number):
        leased = addresses.read(network.leases, address)
        if leased is None:
            continue
        owner = leased.owner.name
        six = leased.address6 or (layout.address6(address) if layout else "")
        prefix = layout.size.prefix if layout else 24
        found[owner] = {
            "Name": leased.names[0] if leased.names else owner[:12],
            "EndpointID": endpoint_id(owner, place),
            "MacAddress": links.mac_of(address),
            "IPv4Address": f"{address}/{prefix}",
            "IPv6Address": f"{six}/{layout.prefix6}" if six and layout else "",
        }
    return found
