"""The rules of a network's groups: three plain chains of its table (rules.py).

      chain virtual {
        ip daddr 10.202.0.254 dnat to numgen inc mod 2 map { 0 : 10.202.0.2, ... }
        ip daddr 10.202.0.253 drop }
      chain fence {
        ip daddr 10.202.0.254 drop
        ip daddr 10.202.0.253 drop }
      chain shared {
        fib daddr type local meta l4proto tcp th dport 8080 dnat to
          numgen inc mod 2 map { 0 : 10.202.0.2 . 80, ... } }

`virtual` is for the network's own containers and the host, `fence` for what comes from
elsewhere. Who is to wait is dropped: their first packet comes again in a second.

All three are rewritten in one transaction. A rule's map is its own, without a name: the
rule that is replaced finds the choices that it counts, to its last packet. Its comment
says by a digest what is in it, so that it is seen whether the rules are those of now.
"""

from __future__ import annotations

import _socket
import binascii

from lamina.runtime.network import netlink
from lamina.runtime.network import nftables as nft
from lamina.runtime.network.ports import PROTOCOLS
from lamina.runtime.network.rules import FENCE, GROUPS, SHARED, VIRTUAL
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.netlink import Message


@value
class Virtual:
    """A group's virtual address, and those of the members that are to be led to."""

    group: str
    address: str
    targets: tuple[str, ...]


@value
class Shared:
    """A host port, and the members' addresses and ports that it leads to; `host_ip` ""
    is every local address."""

    host_ip: str
    host_port: int
    protocol: int
    targets: tuple[tuple[str, int], ...]


@value
class Plan:
    """Where a network's groups lead."""

    virtual: tuple[Virtual, ...] = ()
    shared: tuple[Shared, ...] = ()


NONE = Plan()
_NAMES = {number: name for name, number in PROTOCOLS.items()}


@value
class _Line:
    """A rule in one of the chains, what it is known again by, and its map."""

    chain: str
    rule: nft.Rule
    comment: str
    choices: tuple[Message, ...] = ()


def apply(socket: netlink.Socket, table: str, plan: Plan) -> bool:
    """Have the rules say what `plan` says: whether they said something else.

    Raises NetlinkError, ENOENT where somebody took the table away.
    """
    lines = _lines(table, plan)
    wanted = [(line.chain, nft.user_comment(line.comment)) for line in lines]
    if _found(socket, table) == wanted:
        return False
    emptied = (nft.flush(table, chain) for chain in GROUPS)
    nft.transact(socket, *emptied, *_messages(table, lines))
    return True


def contents(table: str, plan: Plan) -> list[Message]:
    """The rules, for a table whose chains are empty."""
    return _messages(table, _lines(table, plan))


def _messages(table: str, lines: list[_Line]) -> list[Message]:
    made: list[Message] = []
    for line in lines:
        made += line.choices
        made.append(nft.new_rule(table, line.chain, line.rule, line.comment))
    return made


def _found(socket: netlink.Socket, table: str) -> list[tuple[str, bytes]]:
    """The rules that there are: their chains and comments."""
    found = []
    for chain in GROUPS:
        for rule, _ in nft.rules(socket, table, chain):
            found.append((chain, rule.get(nft.RULE_USERDATA, b"")))
    return found


def _lines(table: str, plan: Plan) -> list[_Line]:
    drop = nft.verdict(nft.DROP)
    lines = []
    for number, one in enumerate(plan.virtual, 1):
        there = nft.is_at(nft.DESTINATION, _socket.inet_aton(one.address))
        targets = tuple(map(_socket.inet_aton, one.targets))
        comment = _comment(one.group, one.address, *one.targets)
        lines.append(_leading(table, VIRTUAL, there, targets, number, comment))
    for one in plan.virtual:
        there = nft.is_at(nft.DESTINATION, _socket.inet_aton(one.address))
        fence = _comment(one.group, one.address)
        lines.append(_Line(FENCE, (*there, drop), fence))
    for number, port in enumerate(plan.shared, len(plan.virtual) + 1):
        if port.host_ip:
            here = nft.is_at(nft.DESTINATION, _socket.inet_aton(port.host_ip))
        else:
            here = nft.to_this_host()
        rule = (*here, *nft.for_service(port.protocol, _two(port.host_port)))
        places = tuple(_socket.inet_aton(a) + _four(n) for a, n in port.targets)
        texts = (f"{address}:{number}" for address, number in port.targets)
        what = f"{port.host_ip or 'any'}:{port.host_port}/{_NAMES[port.protocol]}"
        comment = _comment(what, *texts)
        lines.append(_leading(table, SHARED, rule, places, number, comment))
    return lines


def _leading(
    table: str,
    chain: str,
    match: nft.Rule,
    targets: tuple[bytes, ...],
    number: int,
    comment: str,
) -> _Line:
    """A rule from what matches to the targets in turn, or nowhere."""
    if not targets:
        return _Line(chain, (*match, nft.verdict(nft.DROP)), comment)
    led = nft.one_of(number, len(targets), with_port=len(targets[0]) > 4)
    choices = tuple(nft.new_choices(table, number, targets))
    return _Line(chain, (*match, *led), comment, choices)


def _comment(what: str, *content: str) -> str:
    """What is in a rule, as short as comments have to be."""
    return f"{what} {binascii.crc32(' '.join(content).encode()):08x}"


def _two(port: int) -> bytes:
    return port.to_bytes(2, "big")


def _four(port: int) -> bytes:
    return _two(port) + b"\0\0"
