"""What a new network is to be like, from what was asked: its addresses and options.

Docker's rules (moby, libnetwork/drivers/bridge): subnets overlap no route of the host
and no other network; the gateway is the first address; by itself a network has the
first free subnet of POOLS.
"""

from __future__ import annotations

import ipaddress
import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.layout import Layout, read
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Parsed = ipaddress.IPv4Network | ipaddress.IPv6Network

POOLS = tuple(f"10.{second}.0.0/16" for second in range(202, 220))
_SIZE = 24
_MTU = "com.docker.network.driver.mtu"
_BRIDGE = "com.docker.network.bridge.name"
_ICC = "com.docker.network.bridge.enable_icc"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
_HOST_IP = "com.docker.network.bridge.host_binding_ipv4"
OPTIONS = (_MTU, _BRIDGE, _ICC, _MASQUERADE, _HOST_IP)


@value
class Request:
    """What `network create` was told; texts as they were given."""

    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    ipv6: bool = False
    internal: bool = False


def plan(
    request: Request,
    options: Mapping[str, str],
    taken: tuple[Subnet, ...],
    identity: str,
) -> Layout:
    """The layout of a new network; `taken` are the subnets in use. NetworkError."""
    parsed = [_subnet(text) for text in request.subnets]
    four = _only([net for net in parsed if net.version == 4], "IPv4")
    six = _only([net for net in parsed if net.version == 6], "IPv6")
    if six is None and request.ipv6:
        # A prefix of one's own (RFC 4193), out of the network's ID.
        six = ipaddress.ip_network(
            f"fd{identity[:2]}:{identity[2:6]}:{identity[6:10]}::/64"
        )
    subnet = _checked(four, taken) if four else free_subnet(taken)
    gateways = [_address(text, "gateway") for text in request.gateways]
    gateway = _gateway(subnet, [g for g in gateways if g.version == 4])
    for other in gateways:
        if other.version == 6 and (six is None or other not in six):
            raise NetworkError(f"The gateway {other} is in no subnet of the network.")
    pools = [_subnet(text) for text in request.pools]
    return Layout(
        subnet=str(subnet),
        gateway=gateway,
        pool=_pool(subnet, [p for p in pools if p.version == 4]),
        reserved=_reserved(subnet, request.reserved),
        subnet6=str(six or ""),
        gateway6=_gateway6(six, [str(g) for g in gateways if g.version == 6]),
        internal=request.internal,
        **_options(options),
    )


def free_subnet(taken: tuple[Subnet, ...]) -> Subnet:
    """The first of POOLS' /24s that is free; raises NetworkError."""
    for pool in map(Subnet.parse, POOLS):
        for first in range(pool.first, pool.last + 1, 1 << (32 - _SIZE)):
            subnet = Subnet.at(first, _SIZE)
            if not any(subnet.overlaps(other) for other in taken):
                return subnet
    raise NetworkError(
        "No subnet is free for another network.",
        hint="Remove some with `lamina network prune`, or give one with --subnet.",
    )


def known_subnets(layouts: Iterable[Layout], base: str) -> tuple[Subnet, ...]:
    """Those of `layouts`, and of all networks that lie in the machine, in `base`."""
    found = [layout.size for layout in layouts]
    try:
        places = os.listdir(base)
    except FileNotFoundError:
        places = []
    for name in places:
        layout = read(f"{base}/{name}")
        if layout is not None:
            found.append(layout.size)
    return tuple(found)


def _subnet(text: str) -> Parsed:
    try:
        return ipaddress.ip_network(text, strict=True)
    except ValueError as error:
        raise NetworkError(
            f"{text!r} is no subnet: {error}.",
            hint="As in 10.210.0.0/24 or fd00:1::/64.",
        ) from error


def _address(text: str, what: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise NetworkError(f"{text!r} is no address for a {what}.") from error


def _only(found: list[Parsed], version: str) -> Parsed | None:
    if len(found) > 1:
        raise NetworkError(
            f"A network has one {version} subnet, and {len(found)} were given."
        )
    return found[0] if found else None


def _checked(net: Parsed, taken: tuple[Subnet, ...]) -> Subnet:
    subnet = Subnet.parse(str(net))
    if net.prefixlen > 30 or net.prefixlen < 8:
        raise NetworkError(
            f"The subnet {net} is not of a size for containers.", hint="/8 to /30."
        )
    for other in taken:
        if subnet.overlaps(other):
            raise NetworkError(
                f"The subnet {subnet} overlaps {other}, which is in use.",
                hint="`ip route` and `lamina network ls` show what there is.",
            )
    return subnet


def _gateway(subnet: Subnet, given: list[object]) -> str:
    if not given:
        return subnet.gateway
    if str(given[0]) not in subnet:
        raise NetworkError(f"The gateway {given[0]} is not in the subnet {subnet}.")
    return str(given[0])


def _gateway6(six: Parsed | None, given: list[str]) -> str:
    if six is None:
        return ""
    return given[0] if given else str(six.network_address + 1)


def _pool(subnet: Subnet, given: list[Parsed]) -> str:
    if not given:
        return ""
    if not subnet.covers(Subnet.parse(str(given[0]))):
        raise NetworkError(f"The range {given[0]} is not in the subnet {subnet}.")
    return str(given[0])


def _reserved(subnet: Subnet, given: tuple[str, ...]) -> tuple[str, ...]:
    """`--aux-address [NAME=]ADDRESS`."""
    found = tuple(text.rpartition("=")[2] for text in given)
    for text in found:
        if ":" not in text and str(_address(text, "reservation")) not in subnet:
            raise NetworkError(f"The address {text} is not in the subnet {subnet}.")
    return found


def _options(options: Mapping[str, str]) -> dict[str, Any]:
    for key in options:
        if key not in OPTIONS:
            raise NetworkError(
                f"There is no network option {key!r}.", hint=", ".join(OPTIONS)
            )
    mtu = options.get(_MTU, "0")
    if not mtu.isdecimal() or (int(mtu) and not 68 <= int(mtu) <= 65535):
        raise NetworkError(f"{mtu!r} is no MTU.", hint="68 to 65535, as in 1400.")
    bridge = options.get(_BRIDGE, "")
    if len(bridge) > 15 or set(bridge) & set("/ :\t\n"):
        raise NetworkError(
            f"{bridge!r} is no name for a link.", hint="15 characters at most."
        )
    host_ip = options.get(_HOST_IP, "")
    if host_ip:
        host_ip = str(_address(host_ip, "host"))
    return {
        "mtu": int(mtu),
        "icc": _truth(options, _ICC),
        "masquerade": _truth(options, _MASQUERADE),
        "bridge": bridge,
        "host_ip": "" if host_ip == "0.0.0.0" else host_ip,
    }


def _truth(options: Mapping[str, str], key: str) -> bool:
    given = options.get(key, "true").lower()
    if given not in ("true", "false", "1", "0"):
        raise NetworkError(f"The option {key} is true or false, not {given!r}.")
    return given in ("true", "1")
