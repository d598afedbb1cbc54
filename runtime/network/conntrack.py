"""Forgetting flows: UDP sticks to where its first packet went.

The kernel translates a flow as it did the first time, for as long as packets come.
When a port begins or ceases to lead somewhere, the flows to it are forgotten, so
that their next packet is looked at anew. <linux/netfilter/nfnetlink_conntrack.h>.
"""

from __future__ import annotations

import _socket
import errno

from lamina.runtime.network import netlink
from lamina.runtime.network.netlink import Message, attribute, attributes, nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_GET, _DELETE = 0x101, 0x102
_HEADER = bytes((2, 0, 0, 0))
_ORIGINAL, _REPLY = 1, 2
_TUPLE_ADDRESSES, _TUPLE_PROTOCOL = 1, 2
_IPV4_SOURCE = 1
_UDP = b"\x11"
# Which parts of the other direction are compared (CTA_FILTER_REPLY_FLAGS is _REPLY).
_FILTER = 25
_BY_SOURCE, _BY_PROTOCOL = 1, 8
_NUMBER, _DESTINATION_PORT = 1, 3


def forget(socket: netlink.Socket, protocol: int, port: int) -> int:
    """Forget the flows to `port` of whatever address: how many there were."""
    wanted = (bytes((protocol,)), port.to_bytes(2, "big"))

    def matches(flow: dict[int, bytes]) -> bool:
        given = _part(flow, _ORIGINAL, _TUPLE_PROTOCOL)
        return (given.get(_NUMBER), given.get(_DESTINATION_PORT)) == wanted

    return _forget(socket, matches, b"")


def forget_answers(socket: netlink.Socket, address: str) -> int:
    """Forget the flows of datagrams that `address` answers: how many there were."""
    packed = _socket.inet_aton(address)

    def matches(flow: dict[int, bytes]) -> bool:
        return (
            _part(flow, _REPLY, _TUPLE_PROTOCOL).get(_NUMBER) == _UDP
            and _part(flow, _REPLY, _TUPLE_ADDRESSES).get(_IPV4_SOURCE) == packed
        )

    # Kernels before 5.8 tell of all flows. There may be very many.
    source = nested(_TUPLE_ADDRESSES, attribute(_IPV4_SOURCE, packed))
    protocol = nested(_TUPLE_PROTOCOL, attribute(_NUMBER, _UDP))
    flags = (_BY_SOURCE | _BY_PROTOCOL).to_bytes(4, netlink.ORDER)
    wanted = nested(_FILTER, attribute(_REPLY, flags))
    return _forget(socket, matches, nested(_REPLY, source, protocol) + wanted)


def _part(flow: dict[int, bytes], way: int, part: int) -> dict[int, bytes]:
    return attributes(attributes(flow.get(way, b"")).get(part, b""))


def _forget(
    socket: netlink.Socket, matches: Callable[[dict[int, bytes]], bool], wanted: bytes
) -> int:
    """Forget the flows that match, of those that are told of as `wanted`."""
    forgotten = 0
    for body in socket.request(Message(_GET, netlink.DUMP, _HEADER + wanted)):
        flow = attributes(body, len(_HEADER))
        if not matches(flow):
            continue
        key = attribute(_ORIGINAL | 0x8000, flow[_ORIGINAL])
        try:
            socket.request(Message(_DELETE, 0, _HEADER + key))
        except netlink.NetlinkError as error:
            if error.errno != errno.ENOENT:  # it ended by itself
                raise
        forgotten += 1
    return forgotten
