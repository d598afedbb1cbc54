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

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import (
    addresses,
    bridge,
    firewall,
    guest_rules,
    links,
    netlink,
    netns,
    portmap,
)
from lamina.runtime.network import layout as layouts
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.endpoint import Endpoint, Wanted
from lamina.runtime.network.netns import new_namespace
from lamina.runtime.network.network_state import (
    STATE_DIR,
    Lock,
    Network,
    explained,
    network_of,
)
from lamina.runtime.network.repair import sound
from lamina.runtime.owner import Owner
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.layout import Layout
    from lamina.runtime.network.links import Bridge
    from lamina.runtime.network.ports import PortMapping, parse_port
    from lamina.runtime.network.published import Published, collect, publish
    from lamina.runtime.network.resolver_files import hosts, resolv_conf

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
    "Wanted",
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

    return getattr(import_module(f"lamina.runtime.network.{module}"), name)


def connect(
    state_dir: str,
    namespace: int,
    name: str,
    owner: Owner | None = None,
    wanted: Wanted | None = None,
    link: bool = True,
) -> Endpoint:
    """Give `namespace` an address on the network, which is made when it is not there.

    `name` is the container (or build) that the address is for. The lease is that of
    `owner`, this process by default: it ends with `disconnect`, or when that process is
    gone and the address is needed. Without `link` there is only the lease, and
    `plug_in` makes the rest. Safe at any time in any number of processes. Raises
    NetworkError.
    """
    network = network_of(state_dir)
    wanted = wanted or Wanted()
    with explained("The kernel refuses the container's link"):
        address, host = _lease(network, owner or Owner.of(name), wanted)
        endpoint = _endpoint(network, host, address, wanted)
        try:
            if link:
                _plug_in(network, host, namespace, endpoint)
        except BaseException:
            addresses.release(network.leases, address)
            raise
    return endpoint


def plug_in(namespace: int, endpoint: Endpoint) -> None:
    """Make the link of an endpoint that has its address; raises NetworkError."""
    network = network_of(endpoint.place)
    with explained("The kernel refuses the container's link"):
        with Lock(network), netlink.Socket(netlink.ROUTE) as route:
            host = sound(network, route)
        _plug_in(network, host, namespace, endpoint)


def establish(state_dir: str, layout: Layout) -> None:
    """Make a network as `layout` says, or see that it is there; raises NetworkError."""
    if layouts.read(state_dir) != layout:
        layouts.write(state_dir, layout)
    network = network_of(state_dir)
    refused = explained("The kernel refuses the network")
    with refused, Lock(network), netlink.Socket(netlink.ROUTE) as route:
        sound(network, route)


def rename(endpoint: Endpoint, before: str, name: str) -> None:
    """Have the container of an endpoint found by another name than before."""
    network = network_of(endpoint.place)
    with Lock(network):
        leased = addresses.read(network.leases, endpoint.address)
        if leased is not None:
            names = tuple(name if one == before else one for one in leased.names)
            addresses.write(network.leases, replace(leased, names=names))


def taken_subnets() -> tuple[Subnet, ...]:
    """What the host has routes to; raises NetworkError."""
    return bridge.taken()


def _endpoint(network: Network, host: Bridge, address: str, wanted: Wanted) -> Endpoint:
    layout = network.layout
    internal = layout is not None and layout.internal
    address6 = wanted.address6
    if layout is not None and layout.subnet6:
        address6 = address6 or layout.address6(address)
    return Endpoint(
        address=address,
        prefix=host.prefix,
        gateway="" if internal else host.address,
        interface=wanted.interface,
        mtu=host.mtu,
        mac=wanted.mac or links.mac_of(address),
        network=network.bridge,
        place=network.directory,
        name=wanted.network,
        names=wanted.names,
        address6=address6,
        prefix6=layout.prefix6 if layout else 0,
        gateway6=layout.gateway6 if layout and not internal else "",
        group=wanted.group,
    )


def _plug_in(
    network: Network, host: Bridge, namespace: int, endpoint: Endpoint
) -> None:
    layout = network.layout
    inner = links.Interface(
        endpoint.interface,
        endpoint.mac,
        endpoint.address,
        endpoint.prefix,
        address6=endpoint.address6,
        prefix6=endpoint.prefix6,
    )
    isolated = layout is not None and not layout.icc
    with netlink.Socket(netlink.ROUTE) as route:
        port = links.join_bridge(route, host, namespace, inner, isolated)
        with netns.inside(namespace, lambda: netlink.Socket(netlink.ROUTE)) as inside:
            links.configure(inside, inner)
            lead_out(inside, endpoint)
        links.settle(route, port, network.bridge)


def lead_out(inside: netlink.Socket, endpoint: Endpoint) -> None:
    """Have a container's packets to elsewhere take this endpoint, if that leads out and
    no other one does already; `inside` is a socket of the container's."""
    index = links.index_of(inside, endpoint.interface)
    for family, gateway in ((4, endpoint.gateway), (6, endpoint.gateway6)):
        if gateway and not links.has_default_route(inside, family):
            inside.request(links.default_route(index, gateway))


def unplug(namespace: int, endpoint: Endpoint, others: tuple[Endpoint, ...]) -> None:
    """Remove an endpoint's link from a container that goes on; where it led out, the
    first of the others that does takes its place."""

    def cut() -> None:
        with netlink.Socket(netlink.ROUTE) as inside:
            index = links.index_of(inside, endpoint.interface)
            if index:
                inside.request(links.delete(index))
            for other in others:
                lead_out(inside, other)

    with explained("The kernel keeps the container's link"):
        netns.inside(namespace, cut)


def disconnect(
    state_dir: str,
    endpoint: Endpoint,
    me: Owner | None = None,
    nft: netlink.Socket | None = None,
) -> None:
    """Give the address back, once the container's processes are gone; `me` is its
    owner, this process by default. `nft` is a socket of where the network is, if that
    is elsewhere.

    Whoever cleans up after a dead process may call it as well: the ports that it
    left open are closed, and an address that another living process has by now stays
    with that. The link is left to the kernel, which removes it with the namespace;
    by hand it would take 10 to 30 ms.
    """
    network = network_of(state_dir)
    if endpoint.network != network.bridge:
        return  # a user's network: there is no lease
    with Lock(network):
        leased = addresses.read(network.leases, endpoint.address)
        owner = leased.owner if leased is not None else None
        mine = owner is not None and owner.pid == (me.pid if me else os.getpid())
        if mine or owner is None or not owner.alive:
            addresses.release(network.leases, endpoint.address)
            if endpoint.group:
                _leave_group(network, endpoint, nft)
    if not mine:
        from lamina.runtime.network.published import collect

        collect(state_dir)


def _leave_group(
    network: Network, endpoint: Endpoint, nft: netlink.Socket | None
) -> None:
    from lamina.runtime.network import conntrack, groups

    own = nft or netlink.Socket(netlink.NETFILTER)
    try:
        groups.lead(network, own)
        conntrack.forget_answers(own, endpoint.address)
    finally:
        if nft is None:
            own.close()


def remove_network(state_dir: str) -> bool:
    """Take the bridge, the table and the rules away, unless a container is on them."""
    from lamina.runtime.network import groups

    network = network_of(state_dir)
    with Lock(network), explained("The kernel keeps the network"):
        if addresses.leases(network.leases):
            return False
        portmap.clear(network.ports)
        groups.clear(network)
        with netlink.Socket(netlink.NETFILTER) as nft:
            guest_rules.dismiss(nft, network.bridge)
            firewall.uninstall(nft, network.table)
        bridge.remove(network.bridge)
        if network.layout is not None:
            # Who waits for the lock finds nothing any more.
            os.unlink(os.path.join(network.directory, "layout"))
    return True


def _lease(network: Network, owner: Owner, wanted: Wanted) -> tuple[str, Bridge]:
    """An address, on a network that has been seen to be whole."""
    with Lock(network), netlink.Socket(netlink.ROUTE) as route:
        host = sound(network, route)
        if not wanted.group:
            wish = _wish(network, host, wanted)
            return addresses.lease(network.leases, host.subnet, owner, wish), host
        # What most containers do without is imported here.
        from lamina.runtime.network import groups

        joins, taken = wanted.group, frozenset((host.address, wanted.address))
        first = groups.admit(network, host.subnet, joins, taken)
        wish = _wish(network, host, wanted)
        address = addresses.lease(network.leases, host.subnet, owner, wish)
        if first:
            groups.answer(network, route, host.index)
            with netlink.Socket(netlink.NETFILTER) as nft:
                groups.lead(network, nft)
        return address, host


def _wish(network: Network, host: Bridge, wanted: Wanted) -> addresses.Wish:
    layout = network.layout
    reserved = {host.address}
    if os.path.isdir(network.groups):
        from lamina.runtime.network import groups

        reserved.update(groups.virtual(network).values())
    among = None
    if layout is not None:
        reserved |= {layout.gateway, *layout.reserved}
        among = Subnet.parse(layout.pool) if layout.pool else None
        _check_ipv6(network, layout, wanted)
    return addresses.Wish(
        wanted.address,
        among,
        frozenset(reserved),
        wanted.names,
        wanted.address6,
        wanted.group,
        wanted.shared,
    )


def _check_ipv6(network: Network, layout: Layout, wanted: Wanted) -> None:
    address = wanted.address6
    if not address:
        return
    if not layout.holds6(address):
        raise NetworkError(
            f"The address {address} is none of the network "
            f"{layout.subnet6 or '(which has no IPv6)'}.",
            hint="`lamina network inspect` shows its subnets.",
        )
    taken = {layout.gateway6}
    for known in addresses.leases(network.leases):
        leased = addresses.read(network.leases, known)
        if leased is not None:
            taken.add(leased.address6 or layout.address6(leased.address))
    if address in taken:
        raise NetworkError(f"The address {address} is in use.")
