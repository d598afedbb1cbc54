"""What others' firewalls are told: `filter FORWARD` lets our bridges' traffic pass.

dockerd sets the policy of that chain to drop, which no accept in a table of ours
outweighs. So where it exists, of ip or of ip6, it gets two rules that accept what
enters and leaves our bridge, behind the jump to DOCKER-USER, whose rules are the
administrator's; the chain `forward` of rules.py still decides.
"""

from __future__ import annotations

import errno

from lamina.runtime.network import netlink
from lamina.runtime.network import nftables as nft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FOREIGN = ("filter", "FORWARD")


def admitted(socket: netlink.Socket, bridge: str) -> bool:
    """Whether `filter FORWARD`, of ip and of ip6, lets the bridge's traffic pass or is
    not there."""
    return all(_admitted(socket, bridge, family) for family in (nft.IP, nft.IP6))


def _admitted(socket: netlink.Socket, bridge: str, family: int) -> bool:
    try:
        nft.require_chain(socket, *_FOREIGN, family)
    except netlink.NetlinkError as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
            return True
        raise
    return len(_guests(socket, bridge, family)) == 2


def admit(socket: netlink.Socket, bridge: str) -> None:
    """Make `admitted` true."""
    for family in (nft.IP, nft.IP6):
        if not _admitted(socket, bridge, family):
            _admit(socket, bridge, family)


def _admit(socket: netlink.Socket, bridge: str, family: int) -> None:
    after = b""
    for given, found in nft.rules(socket, *_FOREIGN, family=family):
        if b"DOCKER-USER\0" in found:
            after = given[nft.RULE_HANDLE]
    guests = []
    for direction in (nft.OIFNAME, nft.IIFNAME):
        # As iptables writes it, or it calls its table incompatible: the name with
        # its zero byte and no more, and a counter.
        name = nft.interface(direction, bridge.encode() + b"\0")
        rule = (*name, nft.counter(), nft.verdict(nft.ACCEPT))
        guests.append(nft.insert_rule(*_FOREIGN, rule, _guest_mark(bridge), after))
    made = [*_removals(socket, bridge, family), *map(_of(family), guests)]
    nft.transact(socket, *made)


def dismiss(socket: netlink.Socket, bridge: str) -> None:
    """Take back what `admit` did."""
    for family in (nft.IP, nft.IP6):
        try:
            nft.require_chain(socket, *_FOREIGN, family)
        except netlink.NetlinkError as error:
            if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
                continue
            raise
        removals = _removals(socket, bridge, family)
        if removals:
            nft.transact(socket, *removals)


def _of(family: int) -> Callable[[netlink.Message], netlink.Message]:
    return nft.of_ipv6 if family == nft.IP6 else lambda message: message


def _removals(
    socket: netlink.Socket, bridge: str, family: int
) -> list[netlink.Message]:
    found = _guests(socket, bridge, family)
    removals = (nft.delete_rule(*_FOREIGN, handle) for handle in found)
    return [*map(_of(family), removals)]


def _guests(socket: netlink.Socket, bridge: str, family: int) -> list[bytes]:
    """The handles of our rules in `filter FORWARD`, known by their comment.

    We note it as user data; after iptables-restore it is a match of its own.
    """
    mark = _guest_mark(bridge).encode() + b"\0"
    return [
        given[nft.RULE_HANDLE]
        for given, rule in nft.rules(socket, *_FOREIGN, family=family)
        if mark in rule
    ]


def _guest_mark(bridge: str) -> str:
    return f"lamina: {bridge}"
