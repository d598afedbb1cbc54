"""The network's firewall: one nftables table of its rules (rules.py), swapped whole.

A network with IPv6 has one of the family ip6 as well. What groups have in it is
rewritten by itself: group_rules.py. What others' tables need to be told is
guest_rules.py.
"""

from __future__ import annotations

import _socket
import errno

from lamina.runtime.network import group_rules, netlink
from lamina.runtime.network import nftables as nft
from lamina.runtime.network.group_rules import NONE
from lamina.runtime.network.rules import (
    GROUPS,
    PORTS,
    PORTS_AT,
    Chain,
    Table,
    chains,
    chains6,
    contents,
    contents6,
)
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.group_rules import Plan

_VERSION = 2  # of `contents`; a test says when to count on
_MAPS = 2


@value
class Element:
    """A published port: what arrives at `host_ip` ("" = every local address)."""

    host_ip: str
    host_port: int
    protocol: int
    address: str
    port: int


def install(
    socket: netlink.Socket,
    table: Table,
    elements: tuple[Element, ...],
    plan: Plan = NONE,
) -> None:
    """Put the table up, in one transaction with the one it replaces, if any."""
    new = nft.new_table(table.name, _mark(table))
    add = tuple(_add(table.name, element) for element in elements)
    old = nft.delete_table(table.name)
    groups = group_rules.contents(table.name, plan)
    nft.transact(socket, new, old, new, *contents(table), *add, *groups)
    if table.subnet6:
        made = (new, old, new, *contents6(table))
        nft.transact(socket, *map(nft.of_ipv6, made))


def intact(socket: netlink.Socket, table: Table) -> bool:
    """Whether the table is there as `install` makes it, with all of its rules but
    those of groups."""
    whole = _whole(socket, table, nft.IP, chains(table), _MAPS)
    if whole and table.subnet6:
        return _whole(socket, table, nft.IP6, chains6(table), 0)
    return whole


def _whole(
    socket: netlink.Socket,
    table: Table,
    family: int,
    chains: tuple[Chain, ...],
    maps: int,
) -> bool:
    try:
        found = nft.table(socket, table.name, family)
    except netlink.NetlinkError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    if found.get(nft.TABLE_USERDATA) != nft.user_comment(_mark(table)):
        return False
    # Rules of groups have maps of their own.
    if int.from_bytes(found[nft.TABLE_USE], "big") < len(chains) + maps:
        return False
    rules = sum(len(chain[-1]) for chain in chains)
    listed = nft.rules(socket, table.name, family=family)
    return sum(nft.chain_of(rule) not in GROUPS for rule, _ in listed) == rules


def uninstall(socket: netlink.Socket, table: str) -> None:
    """Remove the table, if it is there."""
    _unless_missing(socket, nft.delete_table(table))
    _unless_missing(socket, nft.of_ipv6(nft.delete_table(table)))


def publish(socket: netlink.Socket, table: str, elements: tuple[Element, ...]) -> None:
    """Lead host ports to containers.

    Only who has bound a port publishes it, so an element that is there already was
    left by a process that died.
    """
    add = [_add(table, element) for element in elements]
    try:
        nft.transact(socket, *add)
    except netlink.NetlinkError as error:
        if error.errno not in (errno.EEXIST, errno.EBUSY):
            raise
        withdraw(socket, table, elements)
        nft.transact(socket, *add)


def move(
    socket: netlink.Socket,
    table: str,
    old: tuple[Element, ...],
    new: tuple[Element, ...],
) -> None:
    """Lead the host ports of `old` to where `new` says: at once, in one transaction,
    so that no connection finds a port closed. Raises NetlinkError."""
    removals = [_remove(table, element) for element in old]
    nft.transact(socket, *removals, *(_add(table, element) for element in new))


def withdraw(socket: netlink.Socket, table: str, elements: tuple[Element, ...]) -> None:
    """Lead the host ports nowhere again; those that led nowhere are fine.

    It takes 7 to 14 ms, in which the kernel waits until nobody uses the old rules.
    """
    remove = [_remove(table, element) for element in elements]
    try:
        nft.transact(socket, *remove)
    except netlink.NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
        for message in remove if len(remove) > 1 else ():
            _unless_missing(socket, message)


def _unless_missing(socket: netlink.Socket, message: netlink.Message) -> None:
    try:
        nft.transact(socket, message)
    except netlink.NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise


def _mark(table: Table) -> str:
    """The table's comment: `intact` finds the rules of another Lamina by it."""
    more = " internal" if table.internal else ""
    more += "" if table.masquerade else " routed"
    more += "" if table.icc else " apart"
    return f"lamina rules {_VERSION} for {table.subnet}{more}"


def _add(table: str, element: Element) -> netlink.Message:
    """Each part of a concatenation fills its four bytes."""
    target = _socket.inet_aton(element.address) + _port(element.port)
    return nft.new_element(table, _map_of(element), _key(element), target)


def _remove(table: str, element: Element) -> netlink.Message:
    return nft.delete_element(table, _map_of(element), _key(element))


def _map_of(element: Element) -> str:
    return PORTS_AT if element.host_ip else PORTS


def _key(element: Element) -> bytes:
    where = _socket.inet_aton(element.host_ip) if element.host_ip else b""
    return where + bytes((element.protocol, 0, 0, 0)) + _port(element.host_port)


def _port(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0"
