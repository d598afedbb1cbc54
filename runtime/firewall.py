"""The network's rules: one nftables table, swapped in whole, and two guests' rules.

    table ip lamina {
      map pub    { type inet_proto . inet_service : ipv4_addr . inet_service }
      map pub_at { type ipv4_addr . inet_proto . inet_service : ... }
      chain raw  { hook prerouting, -300
        iifname "lamina0" ip daddr 127.0.0.0/8 drop
        iifname "lamina0" ip saddr 127.0.0.0/8 drop }
      chain pre  { hook prerouting, nat, -101
        ip daddr 127.0.0.0/8 return
        dnat ip to ip daddr . meta l4proto . th dport map @pub_at
        fib daddr type local dnat ip to meta l4proto . th dport map @pub }
      chain out  { hook output, nat, -101: the last two of `pre` }
      chain post { hook postrouting, nat, 101
        ip saddr SUBNET oifname != "lamina0" masquerade
        ip saddr SUBNET ip daddr SUBNET ct status dnat masquerade
        ip saddr 127.0.0.0/8 oifname "lamina0" masquerade }
      chain fwd  { hook forward, 0
        iifname "lamina0" accept
        oifname "lamina0" ct state established,related accept
        oifname "lamina0" ct status dnat accept
        oifname "lamina0" drop } }

`raw` is what route_localnet costs: without it a container could reach the host's
127.0.0.1 by a forged packet (CVE-2020-8558). The first rule of `pre` keeps a port
published on 127.0.0.1 from the neighbours in the LAN, `fwd` keeps them from ports
that are not published at all.

An accept here does not outweigh a drop in another table, and dockerd sets the
policy of `ip filter FORWARD` to drop. So where that chain exists it gets two rules
that accept what enters and leaves our bridge, behind the jump to DOCKER-USER, whose
rules are the administrator's; `fwd` above still decides.
"""

from __future__ import annotations

import _socket
import errno

from lamina.runtime import netlink
from lamina.runtime import nftables as nft
from lamina.runtime.addresses import Subnet
from lamina.values import value

_PORTS, _PORTS_AT = "pub", "pub_at"
_VERSION = 1  # of `_contents`; a test says when to count on
_CHAINS_AND_MAPS, _RULES = 7, 14
_LOOPBACK = Subnet("127.0.0.0", 8)
_FOREIGN = ("filter", "FORWARD")

_Chain = tuple[str, str, int, int, tuple[nft.Rule, ...]]


@value
class Table:
    """The rules of one network: the table's name, the bridge's, its subnet."""

    name: str
    bridge: str
    subnet: Subnet


@value
class Element:
    """A published port: what arrives at `host_ip` ("" = every local address)."""

    host_ip: str
    host_port: int
    protocol: int
    address: str
    port: int


def install(
    socket: netlink.Socket, table: Table, elements: tuple[Element, ...]
) -> None:
    """Put the table up, in one transaction with the one it replaces, if any."""
    new = nft.new_table(table.name, _mark(table))
    add = tuple(_add(table.name, element) for element in elements)
    old = nft.delete_table(table.name)
    nft.transact(socket, new, old, new, *_contents(table), *add)


def intact(socket: netlink.Socket, table: Table) -> bool:
    """Whether the table is there as `install` makes it, with all of its rules."""
    try:
        found = nft.table(socket, table.name)
    except netlink.NetlinkError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    if found.get(nft.TABLE_USERDATA) != nft.user_comment(_mark(table)):
        return False
    if int.from_bytes(found[nft.TABLE_USE], "big") != _CHAINS_AND_MAPS:
        return False
    return len(nft.rules(socket, table.name)) == _RULES


def uninstall(socket: netlink.Socket, table: str) -> None:
    """Remove the table, if it is there."""
    _unless_missing(socket, nft.delete_table(table))


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


def admitted(socket: netlink.Socket, bridge: str) -> bool:
    """Whether `ip filter FORWARD` lets the bridge's traffic pass, or is not there."""
    try:
        nft.require_chain(socket, *_FOREIGN)
    except netlink.NetlinkError as error:
        if error.errno == errno.ENOENT:
            return True
        raise
    return len(_guests(socket, bridge)) == 2


def admit(socket: netlink.Socket, bridge: str) -> None:
    """Make `admitted` true."""
    if admitted(socket, bridge):
        return
    after = b""
    for given, found in nft.rules(socket, *_FOREIGN):
        if b"DOCKER-USER\0" in found:
            after = given[nft.RULE_HANDLE]
    guests = []
    for direction in (nft.OIFNAME, nft.IIFNAME):
        # As iptables writes it, or it calls its table incompatible: the name with
        # its zero byte and no more, and a counter.
        name = nft.interface(direction, bridge.encode() + b"\0")
        rule = (*name, nft.counter(), nft.verdict(nft.ACCEPT))
        guests.append(nft.insert_rule(*_FOREIGN, rule, _guest_mark(bridge), after))
    nft.transact(socket, *_removals(socket, bridge), *guests)


def dismiss(socket: netlink.Socket, bridge: str) -> None:
    """Take back what `admit` did."""
    removals = _removals(socket, bridge)
    if removals:
        nft.transact(socket, *removals)


def _removals(socket: netlink.Socket, bridge: str) -> list[netlink.Message]:
    return [nft.delete_rule(*_FOREIGN, handle) for handle in _guests(socket, bridge)]


def _guests(socket: netlink.Socket, bridge: str) -> list[bytes]:
    """The handles of our rules in `ip filter FORWARD`, known by their comment.

    We note it as user data; after iptables-restore it is a match of its own.
    """
    mark = _guest_mark(bridge).encode() + b"\0"
    return [
        given[nft.RULE_HANDLE]
        for given, rule in nft.rules(socket, *_FOREIGN)
        if mark in rule
    ]


def _guest_mark(bridge: str) -> str:
    return f"lamina: {bridge}"


def _unless_missing(socket: netlink.Socket, message: netlink.Message) -> None:
    try:
        nft.transact(socket, message)
    except netlink.NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise


def _mark(table: Table) -> str:
    """The table's comment: `intact` finds the rules of another Lamina by it."""
    return f"lamina rules {_VERSION} for {table.subnet}"


def _contents(table: Table) -> list[netlink.Message]:
    """Maps, chains and rules."""
    made = [
        nft.new_map(table.name, _PORTS, (nft.PROTOCOL, nft.SERVICE)),
        nft.new_map(table.name, _PORTS_AT, (nft.ADDRESS, nft.PROTOCOL, nft.SERVICE)),
    ]
    for name, kind, hook, priority, rules in _chains(table):
        made.append(nft.new_chain(table.name, name, kind, hook, priority))
        made.extend(nft.new_rule(table.name, name, rule) for rule in rules)
    return made


def _chains(table: Table) -> tuple[_Chain, ...]:
    """Name, type, hook, priority and rules, as the module's head shows them."""
    bridge = table.bridge.encode().ljust(16, b"\0")
    here = nft.interface(nft.IIFNAME, bridge)
    there = nft.interface(nft.OIFNAME, bridge)
    elsewhere = nft.interface(nft.OIFNAME, bridge, equal=False)
    accept, drop = nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
    masquerade = nft.masquerade()
    from_subnet = nft.within(nft.SOURCE, table.subnet)
    to_subnet = nft.within(nft.DESTINATION, table.subnet)
    from_loopback = nft.within(nft.SOURCE, _LOOPBACK)
    to_loopback = nft.within(nft.DESTINATION, _LOOPBACK)
    published = nft.tracked(nft.STATUS, nft.DNAT)
    known = nft.tracked(nft.STATE, nft.ESTABLISHED_RELATED)
    destination = nft.address(nft.DESTINATION, nft.R0)
    dnat = (
        (destination, *nft.service(nft.R1), *nft.dnat_by(_PORTS_AT)),
        (*nft.to_this_host(), *nft.service(nft.R0), *nft.dnat_by(_PORTS)),
    )
    raw = ((*here, *to_loopback, drop), (*here, *from_loopback, drop))
    pre = ((*to_loopback, nft.verdict(nft.RETURN)), *dnat)
    post = (
        (*from_subnet, *elsewhere, masquerade),
        (*from_subnet, *to_subnet, *published, masquerade),
        (*from_loopback, *there, masquerade),
    )
    fwd = (
        (*here, accept),
        (*there, *known, accept),
        (*there, *published, accept),
        (*there, drop),
    )
    return (
        ("raw", "filter", nft.PREROUTING, -300, raw),
        ("pre", "nat", nft.PREROUTING, -101, pre),
        ("out", "nat", nft.OUTPUT, -101, dnat),
        ("post", "nat", nft.POSTROUTING, 101, post),
        ("fwd", "filter", nft.FORWARD, 0, fwd),
    )


def _add(table: str, element: Element) -> netlink.Message:
    """Each part of a concatenation fills its four bytes."""
    target = _socket.inet_aton(element.address) + _port(element.port)
    return nft.new_element(table, _map_of(element), _key(element), target)


def _remove(table: str, element: Element) -> netlink.Message:
    return nft.delete_element(table, _map_of(element), _key(element))


def _map_of(element: Element) -> str:
    return _PORTS_AT if element.host_ip else _PORTS


def _key(element: Element) -> bytes:
    where = _socket.inet_aton(element.host_ip) if element.host_ip else b""
    return where + bytes((element.protocol, 0, 0, 0)) + _port(element.host_port)


def _port(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0"
