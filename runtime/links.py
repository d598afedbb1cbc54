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

from lamina.runtime import netlink
from lamina.runtime.addresses import Subnet
from lamina.runtime.netlink import Message, attribute, nested, text, u8, u32
from lamina.values import value

INTERFACE = "eth0"

_PATIENCE = 200  # times half a millisecond

_NEWLINK, _GETLINK = 16, 18
_NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 20, 22, 24, 26

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_OPERSTATE, _OPERATING = 16, b"\x06"
_IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 18, 26, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_PEER = 1
_BRIDGE_PORT_HAIRPIN = 4
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
    address, prefix = _address(route, index)
    return Bridge(index, bool(flags & _IFF_UP), mtu, address, prefix)


def _find(route: netlink.Socket, name: str) -> bytes | None:
    query = Message(_GETLINK, 0, _link() + text(_IFLA_IFNAME, name))
    try:
        return route.request(query)[0]
    except netlink.NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def _address(route: netlink.Socket, index: int) -> tuple[str, int]:
    """The first IPv4 address of the link and its prefix length."""
    query = Message(_GETADDR, netlink.DUMP, _ADDRESS.pack(_INET, 0, 0, 0, index))
    for answer in route.request(query):
        _, prefix, _, _, owner = _ADDRESS.unpack_from(answer)
        given = netlink.attributes(answer, _ADDRESS.size)
        if owner == index and _IFA_LOCAL in given:
            return _socket.inet_ntoa(given[_IFA_LOCAL]), prefix
    return "", 0


def find_endpoint(route: netlink.Socket) -> tuple[str, int, str, int, str]:
    """Inside a container: address, prefix, gateway, MTU and MAC of its interface.

    Empty and 0 for what it does not have.
    """
    found = _find(route, INTERFACE)
    if found is None:
        return "", 0, "", 0, ""
    given = netlink.attributes(found, _LINK.size)
    address, prefix = _address(route, _LINK.unpack_from(found)[3])
    mtu = int.from_bytes(given[_IFLA_MTU], netlink.ORDER)
    mac = given.get(_IFLA_ADDRESS, b"").hex(":")
    return address, prefix, _gateway(route), mtu, mac


def _gateway(route: netlink.Socket) -> str:
    """Where the first default route leads."""
    query = Message(_GETROUTE, netlink.DUMP, _ROUTE.pack(_INET, *(0,) * 8))
    for answer in route.request(query):
        given = netlink.attributes(answer, _ROUTE.size)
        if answer[1] == 0 and _RTA_GATEWAY in given:
            return _socket.inet_ntoa(given[_RTA_GATEWAY])
    return ""


def mac_of(address: str) -> str:
    """The MAC that goes with an IPv4 address: locally administered, one to one."""
    packed = b"\x02\x4c" + _socket.inet_aton(address)
    return ":".join(f"{byte:02x}" for byte in packed)


def join_bridge(
    route: netlink.Socket, bridge: Bridge, namespace: int, address: str
) -> str:
    """A veth pair from the bridge into `namespace`: the name of the host's end.

    The name is new each time: the end of a dead container lingers until the kernel
    has reaped its namespace. Hairpin mode lets a container reach its own published
    port. Nobody here speaks IPv6, so neither end takes a link-local address (which
    would also keep the link from being used for a second while it is probed).
    """
    name = "lv" + os.urandom(5).hex()
    end = (u32(_IFLA_MTU, bridge.mtu),)
    peer = (
        *(_link(), text(_IFLA_IFNAME, INTERFACE), *end),
        u32(_IFLA_NET_NS_FD, namespace),
        attribute(_IFLA_ADDRESS, bytes.fromhex(mac_of(address).replace(":", ""))),
    )
    pair = nested(_INFO_DATA, nested(_VETH_PEER, *peer))
    link = nested(_IFLA_LINKINFO, text(_INFO_KIND, "veth"), pair)
    hairpin = nested(
        _IFLA_LINKINFO,
        text(_INFO_SLAVE_KIND, "bridge"),
        nested(_INFO_SLAVE_DATA, u8(_BRIDGE_PORT_HAIRPIN, 1)),
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


def configure(route: netlink.Socket, address: str, prefix: int, gateway: str) -> None:
    """Inside the container: its interface up, with its address and default route."""
    found = _find(route, INTERFACE)
    assert found is not None, "the veth pair was made into this namespace"
    index: int = _LINK.unpack_from(found)[3]
    own = _socket.inet_aton(address)
    header = _ADDRESS.pack(_INET, prefix, _IFA_F_NODAD, _SCOPE_UNIVERSE, index)
    way = _ROUTE.pack(
        *(_INET, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _UNICAST, 0)
    )
    create = netlink.CREATE | netlink.EXCLUSIVE
    route.request(
        *_without_link_local(_link(index)),
        up(index),
        Message(
            _NEWADDR,
            create,
            header
            + attribute(_IFA_LOCAL, own)
            + attribute(_IFA_ADDRESS, own)
            + u32(_IFA_FLAGS, _IFA_F_NODAD),
        ),
        Message(
            _NEWROUTE,
            create,
            way
            + attribute(_RTA_GATEWAY, _socket.inet_aton(gateway))
            + u32(_RTA_OIF, index),
        ),
    )


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
