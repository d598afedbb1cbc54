"""The host's side of a container network: made once per boot, through pyroute2.

Everything here may find its work half done, by a process that died or by people
with other plans, and completes it. The caller holds the network's lock.
"""

from __future__ import annotations

import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.links import mac_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.network.layout import Layout

_INET = 2
_ETHERNET_MTU = 1500
_SYSCTL = "/proc/sys/net"


def create(name: str, wanted: Subnet, layout: Layout | None = None) -> Subnet:
    """The bridge `name`, up, with the gateway's address: the network's subnet.

    It keeps the subnet it has; else it gets `wanted` if no route leads there, else
    the next that is free. With a `layout` it gets what that says, or nothing.
    Its MTU is that of the way out (a larger one loses the first datagram to each
    destination), its MAC is fixed (else it changes with the ports, and with it what
    the containers know of their gateway).
    """
    import pyroute2  # type: ignore[import-untyped]

    with _explained(), pyroute2.IPRoute(ext_ack=True) as ip:
        mtu = layout.mtu if layout and layout.mtu else _mtu(ip)
        index = _index(ip, name)
        if index is None:
            ip.link("add", ifname=name, kind="bridge", mtu=mtu, br_stp_state=0)
            index = ip.link_lookup(ifname=name)[0]
        subnet = _subnet_of(ip, index)
        if subnet is None:
            gateway = layout.gateway if layout else ""
            if layout is None:
                subnet = _choose(_routes(ip), wanted)
            else:
                subnet = _free(_routes(ip), wanted)
            gateway = gateway or subnet.gateway
            ip.addr("add", index=index, address=gateway, prefixlen=subnet.prefix)
            ip.link("set", index=index, address=mac_of(gateway))
        ip.link("set", index=index, state="up")
        _configure(name, bool(layout and layout.subnet6))
        if layout and layout.subnet6:
            _add_ipv6(ip, index, layout)
    return subnet


def taken() -> tuple[Subnet, ...]:
    """What subnets the host has routes to."""
    import pyroute2

    with _explained(), pyroute2.IPRoute(ext_ack=True) as ip:
        return _routes(ip)


def _add_ipv6(ip: Any, index: int, layout: Layout) -> None:
    """The gateway's IPv6 address; NODAD, or it could not be used for a second."""
    have = {row.get_attr("IFA_ADDRESS") for row in ip.get_addr(family=10, index=index)}
    if layout.gateway6 not in have:
        ip.addr(
            "add",
            index=index,
            address=layout.gateway6,
            prefixlen=layout.prefix6,
            family=10,
            flags=2,
        )


def configured(name: str, ipv6: bool = False) -> bool:
    """Whether the host forwards packets and lets 127.0.0.1 reach the bridge."""
    return all(_read(path) == number for path, number in _settings(name, ipv6))


def remove(name: str) -> None:
    """Remove the bridge, if it is there; the host goes on forwarding."""
    import pyroute2

    with _explained(), pyroute2.IPRoute(ext_ack=True) as ip:
        index = _index(ip, name)
        if index is not None:
            ip.link("del", index=index)


def _index(ip: Any, name: str) -> int | None:
    """The bridge's index; NetworkError when the name is another kind of link's."""
    for link in ip.get_links(ifname=name):
        info = link.get_attr("IFLA_LINKINFO")
        if info is None or info.get_attr("IFLA_INFO_KIND") != "bridge":
            raise NetworkError(
                f"There is a link {name} already, and it is not a bridge.",
                hint=f"Rename it: `ip link set {name} down name OTHER`.",
            )
        index: int = link["index"]
        return index
    return None


def _subnet_of(ip: Any, index: int) -> Subnet | None:
    for address in ip.get_addr(family=_INET, index=index):
        if address["prefixlen"] == 32:
            continue  # a group's virtual address
        text = f"{address.get_attr('IFA_LOCAL')}/{address['prefixlen']}"
        return Subnet.parse(text)
    return None


def _mtu(ip: Any) -> int:
    """The MTU of the device that the default route with the lowest metric takes."""
    ways = [
        (route.get_attr("RTA_PRIORITY") or 0, route.get_attr("RTA_OIF"))
        for route in ip.get_default_routes(family=_INET)
        if route.get_attr("RTA_OIF")
    ]
    if not ways:
        return _ETHERNET_MTU
    device = ip.get_links(min(ways)[1])[0]
    # Loopback-like devices say 65536, which no Ethernet bridge takes.
    return min(int(device.get_attr("IFLA_MTU")), 65535)


def _routes(ip: Any) -> tuple[Subnet, ...]:
    """Where the host's routes and addresses lead, the default route left out."""
    found = [
        Subnet.parse(f"{route.get_attr('RTA_DST')}/{route['dst_len']}")
        for route in ip.get_routes(family=_INET)
        if route["dst_len"] and route.get_attr("RTA_DST")
    ]
    found += [
        Subnet.parse(f"{address.get_attr('IFA_LOCAL')}/{address['prefixlen']}")
        for address in ip.get_addr(family=_INET)
    ]
    return tuple(found)


def _choose(routes: tuple[Subnet, ...], wanted: Subnet) -> Subnet:
    """`wanted`, or the next of its size in the same /16, that overlaps no route."""
    size = 1 << (32 - wanted.prefix)
    for step in range(0, 1 << 16, size):
        address = wanted.first & ~0xFFFF | (wanted.first + step) & 0xFFFF
        subnet = Subnet.at(address, wanted.prefix)
        if not any(subnet.overlaps(route) for route in routes):
            return subnet
    raise NetworkError(
        f"No subnet like {wanted} is free of routes.",
        hint="See `ip route`; or use `--network=host`.",
    )


def _free(routes: tuple[Subnet, ...], wanted: Subnet) -> Subnet:
    """`wanted`; NetworkError when a route leads there."""
    for route in routes:
        if wanted.overlaps(route):
            raise NetworkError(
                f"The subnet {wanted} overlaps the route to {route} of this host.",
                hint="Choose another: `--subnet`; `ip route` lists what is taken.",
            )
    return wanted


def _settings(name: str, ipv6: bool) -> tuple[tuple[str, str], ...]:
    found = (
        (f"{_SYSCTL}/ipv4/ip_forward", "1"),
        (f"{_SYSCTL}/ipv4/conf/{name}/route_localnet", "1"),
    )
    return (*found, (_FORWARDING6, "1")) if ipv6 else found


_FORWARDING6 = f"{_SYSCTL}/ipv6/conf/all/forwarding"


def _configure(name: str, ipv6: bool) -> None:
    if ipv6 and not os.path.exists(_FORWARDING6):
        raise NetworkError(
            "This kernel has no IPv6.", hint="Make the network without --ipv6."
        )
    if ipv6 and _read(_FORWARDING6) != "1":
        _keep_routers()
    for path, number in _settings(name, ipv6):
        if _read(path) != number:
            _write(path, number)
    own = f"{_SYSCTL}/ipv6/conf/{name}/disable_ipv6"
    if os.path.exists(own):
        # Where IPv6 is not offered there is no link-local address either.
        _write(own, "0" if ipv6 else "1")
    if ipv6:
        # A container is no router of the host's (CVE-2020-13401).
        _write(f"{_SYSCTL}/ipv6/conf/{name}/accept_ra", "0")


def _keep_routers() -> None:
    """Let the host go on learning its own IPv6 routes by router advertisements, which
    who forwards ignores unless told otherwise (ip-sysctl.rst, accept_ra)."""
    places = f"{_SYSCTL}/ipv6/conf"
    for name in os.listdir(places):
        path = f"{places}/{name}/accept_ra"
        if name not in ("all", "default", "lo") and _read(path) == "1":
            _write(path, "2")


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _write(path: str, number: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(number)
    except OSError as error:
        raise NetworkError(
            f"Cannot set {path} to {number}: {error.strerror}.",
            hint="Set it where /proc/sys is writable, or use `--network=host`.",
        ) from error


class _explained:
    """Turns what pyroute2 raises into NetworkError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _trace: Any) -> None:
        from pyroute2 import NetlinkError

        if isinstance(error, NetlinkError):
            hint = "Making a network takes root (CAP_NET_ADMIN)."
            raise NetworkError(
                f"The kernel refuses the network's bridge: {error.args[-1]}.", hint=hint
            ) from error
