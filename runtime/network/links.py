"""Links, addresses and routes in rtnetlink's form: what one container takes.

rtnetlink(7), <linux/if_link.h>. Two facts that no manual has: the far end of a veth
pair must not be asked to be up in the message that makes the pair (ENOTCONN), and a
container's address is the source of its MAC, so that whoever still remembers the
address of a container that is gone reaches the one that has it now.
"""

from __future__ import annotations

import _socket
import errno
import os
import time
from struct import Struct

from lamina.runtime.network import netlink
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.netlink import Message, attribute, nested, text, u8, u32
from lamina.values import value

INTERFACE = "eth0"

# The prefix length of an address that is all of its network.
_ALONE = 32
_PATIENCE = 200  # times half a millisecond

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 20, 22, 24, 26

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_OPERSTATE, _OPERATING = 16, b"\x06"
_IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 18, 26, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_PEER = 1
_BRIDGE_PORT_HAIRPIN, _BRIDGE_PORT_ISOLATED = 4, 33
_INET6_ADDR_GEN_MODE, _GEN_MODE_NONE = 8, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_NODAD = 2
_RTA_OIF, _RTA_GATEWAY = 4, 5

_IFF_UP = 1
_INET, _INET6 = int(_socket.AF_INET), int(_socket.AF_INET6)
_TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _UNICAST = 254, 3, 0, 1

_LINK = Struct("=BBHiII")
_ADDRESS = Struct("=BBBBi")
_ROUTE = Struct("=BBBBBBBBI")


@value
class Bridge:
    """A bridge as the kernel has it now; `address` is "" while it has none."""

    index: int
    up: bool
    mtu: int
    address: str = ""
    prefix: int = 0

    @property
    def subnet(self) -> Subnet:
        return Subnet.parse(f"{self.address}/{self.prefix}")


def up(index: int) -> Message:
    """Set the link up."""
    return Message(_NEWLINK, 0, _link(index, _IFF_UP))


def find_bridge(route: netlink.Socket, name: str) -> Bridge | None:
    """The bridge called `name`, or None; a link of another kind is no bridge."""
    found = _find(route, name)
    if found is None:
        return None
    _, _, _, index, flags, _ = _LINK.unpack_from(found)
    given = netlink.attributes(found, _LINK.size)
    info = netlink.attributes(given.get(_IFLA_LINKINFO, b""))
    if info.get(_INFO_KIND, b"").rstrip(b"\0") != b"bridge":
        return None
    mtu = int.from_bytes(given[_IFLA_MTU], netlink.ORDER)
    # A group's virtual address (groups.py) has no neighbours.
    own = [one for one in addresses_of(route, index) if one[1] < _ALONE]
    address, prefix = own[0] if own else ("", 0)
    return Bridge(index, bool(flags & _IFF_UP), mtu, address, prefix)


def _find(route: netlink.Socket, name: str) -> bytes | None:
    query = Message(_GETLINK, 0, _link() + text(_IFLA_IFNAME, name))
    try:
        return route.request(query)[0]
    except netlink.NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def addresses_of(route: netlink.Socket, index: int) -> tuple[tuple[str, int], ...]:
    """The IPv4 addresses of a link and their prefix lengths."""
    query = Message(_GETADDR, netlink.DUMP, _ADDRESS.pack(_INET, 0, 0, 0, index))
    found = []
    for answer in route.request(query):
        _, prefix, _, _, owner = _ADDRESS.unpack_from(answer)
        given = netlink.attributes(answer, _ADDRESS.size)
        if owner == index and _IFA_LOCAL in given:
            found.append((_socket.inet_ntoa(given[_IFA_LOCAL]), int(prefix)))
    return tuple(found)


def index_of(route: netlink.Socket, name: str) -> int:
    """The index of a link, 0 where there is none of that name."""
    found = _find(route, name)
    return 0 if found is None else int(_LINK.unpack_from(found)[3])


@value
class FoundInterface:
    """What a container's interface is; empty and 0 is what it does not have."""

    address: str = ""
    prefix: int = 0
    gateway: str = ""
    mtu: int = 0
    mac: str = ""


def find_interface(route: netlink.Socket) -> FoundInterface:
    """The interface of the container whose namespace `route` is in."""
    found = _find(route, INTERFACE)
    if found is None:
        return FoundInterface()
    given = netlink.attributes(found, _LINK.size)
    own = addresses_of(route, _LINK.unpack_from(found)[3])
    address, prefix = own[0] if own else ("", 0)
    mtu = int.from_bytes(given[_IFLA_MTU], netlink.ORDER)
    mac = given.get(_IFLA_ADDRESS, b"").hex(":")
    return FoundInterface(address, prefix, _gateway(route), mtu, mac)


def _gateway(route: netlink.Socket) -> str:
    """Where the first default route leads."""
    query = Message(_GETROUTE, netlink.DUMP, _ROUTE.pack(_INET, *(0,) * 8))
    for answer in route.request(query):
        given = netlink.attributes(answer, _ROUTE.size)
        if answer[1] == 0 and _RTA_GATEWAY in given:
            return _socket.inet_ntoa(given[_RTA_GATEWAY])
    return ""


def has_default_route(route: netlink.Socket, version: int) -> bool:
    """Whether packets of IPv4 (4) or IPv6 (6) to elsewhere lead somewhere."""
    family = _INET6 if version == 6 else _INET
    query = Message(_GETROUTE, netlink.DUMP, _ROUTE.pack(family, *(0,) * 8))
    return any(
        answer[1] == 0 and _RTA_GATEWAY in netlink.attributes(answer, _ROUTE.size)
        for answer in route.request(query)
    )


def mac_of(address: str) -> str:
    """The MAC that goes with an IPv4 address: locally administered, one to one."""
    packed = b"\x02\x4c" + _socket.inet_aton(address)
    return ":".join(f"{byte:02x}" for byte in packed)


@value
class Interface:
    """A container's end: what it is called there, its addresses ("" = none) and where
    its default routes lead."""

    name: str
    mac: str
    address: str
    prefix: int
    gateway: str = ""
    address6: str = ""
    prefix6: int = 0
    gateway6: str = ""


def join_bridge(
    route: netlink.Socket,
    bridge: Bridge,
    namespace: int,
    inner: Interface,
    isolated: bool = False,
) -> str:
    """A veth pair from the bridge into `namespace`: the name of the host's end.

    `isolated`: it reaches nobody else on the bridge who is.

    The name is new each time: the end of a dead container lingers until the kernel
    has reaped its namespace. Hairpin mode lets a container reach its own published
    port. Nobody here speaks IPv6, so neither end takes a link-local address (which
    would also keep the link from being used for a second while it is probed).
    """
    name = "lv" + os.urandom(5).hex()
    end = (u32(_IFLA_MTU, bridge.mtu),)
    peer = (
        *(_link(), text(_IFLA_IFNAME, inner.name), *end),
        u32(_IFLA_NET_NS_FD, namespace),
        attribute(_IFLA_ADDRESS, bytes.fromhex(inner.mac.replace(":", ""))),
    )
    pair = nested(_INFO_DATA, nested(_VETH_PEER, *peer))
    link = nested(_IFLA_LINKINFO, text(_INFO_KIND, "veth"), pair)
    hairpin = nested(
        _IFLA_LINKINFO,
        text(_INFO_SLAVE_KIND, "bridge"),
        nested(
            _INFO_SLAVE_DATA,
            u8(_BRIDGE_PORT_HAIRPIN, 1),
            *((u8(_BRIDGE_PORT_ISOLATED, 1),) if isolated else ()),
        ),
    )
    host = text(_IFLA_IFNAME, name)
    master = u32(_IFLA_MASTER, bridge.index)
    create = netlink.CREATE | netlink.EXCLUSIVE
    route.request(
        Message(_NEWLINK, create, b"".join((_link(), host, *end, master, link))),
        *_without_link_local(_link() + host),
        Message(_NEWLINK, 0, _link(0, _IFF_UP) + host + hairpin),
    )
    return name


def configure(route: netlink.Socket, inner: Interface) -> None:
    """Inside the container: its interface up, with its addresses and routes."""
    index = index_of(route, inner.name)
    assert index, "the veth pair was made into this namespace"
    messages = [*_without_link_local(_link(index)), up(index)]
    messages.append(_new_address(index, inner.address, inner.prefix))
    if inner.address6:
        messages.append(_new_address(index, inner.address6, inner.prefix6))
    for gateway in filter(None, (inner.gateway, inner.gateway6)):
        messages.append(default_route(index, gateway))
    route.request(*messages)


def _new_address(index: int, address: str, prefix: int) -> Message:
    family, own = packed(address)
    header = _ADDRESS.pack(family, prefix, _IFA_F_NODAD, _SCOPE_UNIVERSE, index)
    given = attribute(_IFA_LOCAL, own) + attribute(_IFA_ADDRESS, own)
    create = netlink.CREATE | netlink.EXCLUSIVE
    return Message(_NEWADDR, create, header + given + u32(_IFA_FLAGS, _IFA_F_NODAD))


def own_address(index: int, address: str) -> Message:
    """One more address of a link, without neighbours."""
    return _new_address(index, address, _ALONE)


def default_route(index: int, gateway: str) -> Message:
    """Send what is for elsewhere to `gateway`; it takes the place of another route."""
    family, there = packed(gateway)
    way = _ROUTE.pack(
        *(family, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _UNICAST, 0)
    )
    given = attribute(_RTA_GATEWAY, there) + u32(_RTA_OIF, index)
    return Message(_NEWROUTE, netlink.CREATE | netlink.REPLACE, way + given)


def delete(index: int) -> Message:
    """Remove a link; both ends of a veth pair go."""
    return Message(_DELLINK, 0, _link(index))


def packed(address: str) -> tuple[int, bytes]:
    """The family of an address, and its bytes."""
    family = _INET6 if ":" in address else _INET
    return family, _socket.inet_pton(family, address)


def settle(route: netlink.Socket, *names: str) -> None:
    """Wait until these links carry packets; until then they drop them silently.

    A link that got its carrier begins to send, and a bridge to use it, when a
    worker of the kernel has noticed: one connection in fifty lost its first packet
    to that, and waited a second to send it again. Since Linux 6.8 the question
    itself makes the kernel notice.
    """
    for name in names:
        for _ in range(_PATIENCE):
            found = _find(route, name)
            given = netlink.attributes(found, _LINK.size) if found else {}
            if given.get(_IFLA_OPERSTATE, _OPERATING) == _OPERATING:
                break
            time.sleep(0.0005)


def _link(index: int = 0, flags: int = 0) -> bytes:
    """struct ifinfomsg; `flags` are set, no others are touched."""
    return _LINK.pack(0, 0, 0, index, flags, flags)


def _without_link_local(link: bytes) -> tuple[Message, ...]:
    """No fe80:: address on this link, where the kernel has IPv6 at all."""
    if not os.path.exists("/proc/sys/net/ipv6"):
        return ()
    mode = nested(_INET6, u8(_INET6_ADDR_GEN_MODE, _GEN_MODE_NONE))
    return (Message(_NEWLINK, 0, link + nested(_IFLA_AF_SPEC, mode)),)
