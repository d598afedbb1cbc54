"""Containers on a network: a bridge, an address, a way out.

    namespace = new_namespace()
    endpoint = connect(STATE_DIR, namespace, "web")
    ...
    disconnect(STATE_DIR, endpoint)

That the network is there is never assumed: the kernel is asked each time, in about
0.5 ms, because others flush rules and remove bridges; what is missing is repaired.
"""

from __future__ import annotations

import os

from lamina.runtime import addresses, bridge, firewall, links, netlink, netns, portmap
from lamina.runtime.addresses import Subnet
from lamina.runtime.endpoint import Endpoint
from lamina.runtime.errors import NetworkError
from lamina.runtime.netns import new_namespace
from lamina.runtime.network_state import (
    STATE_DIR,
    Lock,
    Network,
    explained,
    network_of,
)
from lamina.runtime.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.links import Bridge
    from lamina.runtime.ports import PortMapping, parse_port
    from lamina.runtime.published import Published, collect, publish
    from lamina.runtime.resolver_files import hosts, resolv_conf

# What most containers do without is imported when it is named.
_ELSEWHERE = {
    "PortMapping": "ports",
    "parse_port": "ports",
    "Published": "published",
    "collect": "published",
    "publish": "published",
    "hosts": "resolver_files",
    "resolv_conf": "resolver_files",
}
__all__ = [
    "STATE_DIR",
    "Endpoint",
    "PortMapping",
    "Published",
    "collect",
    "connect",
    "disconnect",
    "hosts",
    "new_namespace",
    "parse_port",
    "publish",
    "remove_network",
    "resolv_conf",
]


def __getattr__(name: str) -> object:
    module = _ELSEWHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"lamina.runtime.{module}"), name)


def connect(state_dir: str, namespace: int, name: str) -> Endpoint:
    """Give `namespace` an address on the network, which is made when it is not there.

    `name` is the container (or build) that the address is for. The lease is this
    process's: it ends with `disconnect`, or when the process is gone and the address
    is needed. Safe at any time in any number of processes. Raises NetworkError.
    """
    network = network_of(state_dir)
    with explained("the kernel refuses the container's link"):
        address, subnet, host = _lease(network, Owner.of(name))
        try:
            with netlink.Socket(netlink.ROUTE) as route:
                port = links.join_bridge(route, host, namespace, address)
                inner = netns.inside(namespace, lambda: netlink.Socket(netlink.ROUTE))
                with inner:
                    links.configure(inner, address, subnet.prefix, subnet.gateway)
                links.settle(route, port, network.bridge)
        except BaseException:
            addresses.release(network.leases, address)
            raise
    return Endpoint(
        address,
        subnet.prefix,
        subnet.gateway,
        links.INTERFACE,
        host.mtu,
        links.mac_of(address),
        network.bridge,
    )


def disconnect(state_dir: str, endpoint: Endpoint) -> None:
    """Give the address back, once the container's processes are gone.

    Whoever cleans up after a dead process may call it as well: the ports that it
    left open are closed, and an address that another living process has by now stays
    with that. The link is left to the kernel, which removes it with the namespace;
    by hand it would take 10 to 30 ms.
    """
    network = network_of(state_dir)
    if endpoint.network != network.bridge:
        return  # a user's network: there is no lease
    with Lock(network):
        owner = addresses.owner(network.leases, endpoint.address)
        mine = owner is not None and owner.pid == os.getpid()
        if mine or owner is None or not owner.alive:
            addresses.release(network.leases, endpoint.address)
    if not mine:
        from lamina.runtime.published import collect

        collect(state_dir)


def remove_network(state_dir: str) -> bool:
    """Take the bridge, the table and the rules away, unless a container is on them."""
    network = network_of(state_dir)
    with Lock(network), explained("the kernel keeps the network"):
        if addresses.leases(network.leases):
            return False
        portmap.clear(network.ports)
        with netlink.Socket(netlink.NETFILTER) as nft:
            firewall.dismiss(nft, network.bridge)
            firewall.uninstall(nft, network.table)
        bridge.remove(network.bridge)
    return True


def _lease(network: Network, owner: Owner) -> tuple[str, Subnet, Bridge]:
    """An address, on a network that has been seen to be whole."""
    with Lock(network), netlink.Socket(netlink.ROUTE) as route:
        host = _usable_bridge(network, route)
        if host is None or not _guarded(network, host):
            host = _repair(network, route)
        subnet = host.subnet
        return addresses.lease(network.leases, subnet, owner), subnet, host


def _usable_bridge(network: Network, route: netlink.Socket) -> Bridge | None:
    """The bridge, if it is as it has to be."""
    host = links.find_bridge(route, network.bridge)
    if host is None or not host.up or not host.address:
        return None
    return host if bridge.configured(network.bridge) else None


def _guarded(network: Network, host: Bridge) -> bool:
    """Whether the rules are as they have to be."""
    with netlink.Socket(netlink.NETFILTER) as nft:
        return firewall.intact(nft, _table(network, host)) and firewall.admitted(
            nft, network.bridge
        )


def _repair(network: Network, route: netlink.Socket) -> Bridge:
    """Make what is missing, and publish again what living containers publish."""
    host = _usable_bridge(network, route)
    if host is None:
        path = os.path.join(network.directory, "subnet")
        wanted = _read_subnet(path) or Subnet.parse(network.subnet)
        subnet = bridge.create(network.bridge, wanted)
        with open(path, "w") as file:
            file.write(f"{subnet}\n")
        host = _usable_bridge(network, route)
    if host is not None:
        table = _table(network, host)
        with netlink.Socket(netlink.NETFILTER) as nft:
            if not firewall.intact(nft, table):
                firewall.install(nft, table, portmap.living(network.ports))
            firewall.admit(nft, network.bridge)
        if _guarded(network, host):
            return host
    raise NetworkError(
        f"the network {network.bridge} does not stay as it was made",
        hint="Something else changes the links or the firewall: see `ip link` and "
        "`nft list ruleset`.",
    )


def _table(network: Network, host: Bridge) -> firewall.Table:
    return firewall.Table(network.table, network.bridge, host.subnet)


def _read_subnet(path: str) -> Subnet | None:
    try:
        with open(path) as file:
            return Subnet.parse(file.read().strip())
    except (FileNotFoundError, OSError, ValueError):
        return None
