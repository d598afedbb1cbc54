"""Networks seen to be whole, and made so: bridge, sysctls, rules.

It costs 0.5 ms to look, each time, because others flush rules and remove bridges.
"""

from __future__ import annotations

import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import (
    bridge,
    firewall,
    guest_rules,
    links,
    netlink,
    portmap,
    rules,
)
from lamina.runtime.network.addresses import Subnet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.links import Bridge
    from lamina.runtime.network.network_state import Network


def sound(network: Network, route: netlink.Socket) -> Bridge:
    """The bridge, seen to be whole with its rules, or made so."""
    if not network.subnet:
        raise NetworkError(
            f"The network {network.bridge} is no more.",
            hint="`lamina network ls` lists those there are.",
        )
    host = _usable_bridge(network, route)
    if host is None or not _guarded(network, host):
        host = _repair(network, route)
    if os.path.isdir(network.groups):
        from lamina.runtime.network import groups

        groups.answer(network, route, host.index)
    return host


def _usable_bridge(network: Network, route: netlink.Socket) -> Bridge | None:
    """The bridge, if it is as it has to be."""
    host = links.find_bridge(route, network.bridge)
    if host is None or not host.up or not host.address:
        return None
    ipv6 = bool(network.layout and network.layout.subnet6)
    return host if bridge.configured(network.bridge, ipv6) else None


def _guarded(network: Network, host: Bridge) -> bool:
    """Whether the rules are as they have to be; those of groups are made so, for
    members end unseen."""
    with netlink.Socket(netlink.NETFILTER) as nft:
        if not firewall.intact(nft, _table(network, host)):
            return False
        if os.path.isdir(network.groups):
            from lamina.runtime.network import groups

            groups.lead(network, nft)
        return guest_rules.admitted(nft, network.bridge)


def _repair(network: Network, route: netlink.Socket) -> Bridge:
    """Make what is missing, and publish again what living containers publish."""
    host = _usable_bridge(network, route)
    if host is None:
        _make_bridge(network)
        host = _usable_bridge(network, route)
    if host is not None:
        table = _table(network, host)
        with netlink.Socket(netlink.NETFILTER) as nft:
            if not firewall.intact(nft, table):
                from lamina.runtime.network import groups

                ports = portmap.living(network.ports)
                firewall.install(nft, table, ports, groups.plan(network))
            guest_rules.admit(nft, network.bridge)
        if _guarded(network, host):
            return host
    raise NetworkError(
        f"The network {network.bridge} does not stay as it was made.",
        hint="Something else changes the links or the firewall: see `ip link` and "
        "`nft list ruleset`.",
    )


def _make_bridge(network: Network) -> None:
    if network.layout is not None:
        bridge.create(network.bridge, network.layout.size, network.layout)
        return
    path = os.path.join(network.directory, "subnet")
    wanted = _read_subnet(path) or Subnet.parse(network.subnet)
    subnet = bridge.create(network.bridge, wanted)
    with open(path, "w") as file:
        file.write(f"{subnet}\n")


def _table(network: Network, host: Bridge) -> rules.Table:
    layout = network.layout
    if layout is None:
        return rules.Table(network.table, network.bridge, host.subnet)
    return rules.Table(
        network.table,
        network.bridge,
        host.subnet,
        layout.subnet6,
        layout.internal,
        layout.masquerade,
        layout.icc,
    )


def _read_subnet(path: str) -> Subnet | None:
    try:
        with open(path) as file:
            return Subnet.parse(file.read().strip())
    except (FileNotFoundError, OSError, ValueError):
        return None
