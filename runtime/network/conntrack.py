"""Forgetting flows: UDP sticks to where its first packet went.

The kernel translates a flow as it did the first time, for as long as packets come.
When a port begins or ceases to lead somewhere, the flows to it are forgotten, so
that their next packet is looked at anew. <linux/netfilter/nfnetlink_conntrack.h>.
"""

from __future__ import annotations

import errno

from lamina.runtime.network import netlink
from lamina.runtime.network.netlink import Message, attribute, attributes

_GET, _DELETE = 0x101, 0x102
_HEADER = bytes((2, 0, 0, 0))
_ORIGINAL = 1
_TUPLE_PROTOCOL = 2
_NUMBER, _DESTINATION_PORT = 1, 3


def forget(socket: netlink.Socket, protocol: int, port: int) -> int:
    """Forget the flows to `port` of whatever address: how many there were."""
    wanted = (bytes((protocol,)), port.to_bytes(2, "big"))
    forgotten = 0
    for flow in socket.request(Message(_GET, netlink.DUMP, _HEADER)):
        original = attributes(flow, len(_HEADER)).get(_ORIGINAL, b"")
        given = attributes(attributes(original).get(_TUPLE_PROTOCOL, b""))
        if (given.get(_NUMBER), given.get(_DESTINATION_PORT)) != wanted:
            continue
        key = attribute(_ORIGINAL | 0x8000, original)
        try:
            socket.request(Message(_DELETE, 0, _HEADER + key))
        except netlink.NetlinkError as error:
            if error.errno != errno.ENOENT:  # it ended by itself
                raise
        forgotten += 1
    return forgotten
