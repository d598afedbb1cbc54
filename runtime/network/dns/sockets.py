"""The resolver's sockets, in the namespace of its container.

They are on any port of 127.0.0.11, and port 53 is led to them by a rule in that
namespace: a container may well want to serve port 53 itself, on all its addresses.

    table ip lamina_dns {
      map to { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
      chain out { hook output, nat, -101
        dnat ip to ip daddr . meta l4proto . th dport map @to } }
"""

from __future__ import annotations

import _socket

from lamina.runtime.network import netlink, netns
from lamina.runtime.network import nftables as nft
from lamina.runtime.network.dns.server import ADDRESS, PORT
from lamina.runtime.network.network_state import explained

_TABLE, _MAP = "lamina_dns", "to"
_TCP, _UDP = 6, 17


def open_sockets(namespace: int) -> tuple[_socket.socket, _socket.socket]:
    """Of datagrams and of connections, reached at ADDRESS; raises NetworkError."""

    def make() -> tuple[_socket.socket, _socket.socket]:
        flags = _socket.SOCK_CLOEXEC
        datagrams = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | flags)
        datagrams.bind((ADDRESS, 0))
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | flags)
        listener.bind((ADDRESS, 0))
        listener.listen(64)
        _lead(datagrams.getsockname()[1], listener.getsockname()[1])
        return datagrams, listener

    with explained("The kernel refuses the container's resolver"):
        return netns.inside(namespace, make)


def _lead(datagrams: int, listener: int) -> None:
    address = nft.address(nft.DESTINATION, nft.R0)
    rule = (address, *nft.service(nft.R1), *nft.dnat_by(_MAP))
    elements = [
        nft.new_element(_TABLE, _MAP, _packed(protocol, PORT), _target(port))
        for protocol, port in ((_UDP, datagrams), (_TCP, listener))
    ]
    new = nft.new_table(_TABLE, "lamina: names of containers")
    with netlink.Socket(netlink.NETFILTER) as socket:
        nft.transact(
            socket,
            *(new, nft.delete_table(_TABLE), new),
            nft.new_map(_TABLE, _MAP, (nft.ADDRESS, nft.PROTOCOL, nft.SERVICE)),
            nft.new_chain(_TABLE, "out", "nat", nft.OUTPUT, -101),
            nft.new_rule(_TABLE, "out", rule),
            *elements,
        )


def _packed(protocol: int, port: int) -> bytes:
    return _socket.inet_aton(ADDRESS) + bytes((protocol, 0, 0, 0)) + _port(port)


def _target(port: int) -> bytes:
    return _socket.inet_aton(ADDRESS) + _port(port)


def _port(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0"
