"""nftables in netlink's form: tables, chains, rules, maps, and their transaction.

nft(8) names what is here; the numbers are in <linux/netfilter/nf_tables.h>. An
expression is bytes, a rule is a tuple of expressions; `0.0.0.0/0`-like values come
as numbers or packed. Registers of 32 bits are R0, R1, ...; R0 to R3 are also the
first register of 128 bits, in which every comparison here works.

Why not pyroute2: docs/decisions/0003-container-networks.md.
"""

from __future__ import annotations

import _socket

from lamina.runtime.network import netlink
from lamina.runtime.network.addresses import Subnet
from lamina.runtime.network.netlink import (
    APPEND,
    CREATE,
    DUMP,
    EXCLUSIVE,
    Message,
    attribute,
    be32,
    nested,
    text,
)

Rule = tuple[bytes, ...]

DROP, ACCEPT, RETURN = 0, 1, -5
_JUMP = -3
PREROUTING, FORWARD, OUTPUT, POSTROUTING = 0, 2, 3, 4
SOURCE, DESTINATION = 12, 16  # offsets in the IPv4 header
IIFNAME, OIFNAME = 6, 7
STATE, STATUS = 0, 2
ESTABLISHED_RELATED, DNAT = 2 | 4, 32
ADDRESS, PROTOCOL, SERVICE = 7, 12, 13  # nft's type numbers
_INTEGER = 4
R0, R1 = 8, 9

RULE_HANDLE = 3
_RULE_CHAIN = 2
TABLE_USE, TABLE_USERDATA = 3, 6

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _GETTABLE, _DELTABLE = 0xA00, 0xA01, 0xA02
_NEWCHAIN, _GETCHAIN = 0xA03, 0xA04
_NEWRULE, _GETRULE, _DELRULE = 0xA06, 0xA07, 0xA08
_NEWSET, _NEWSETELEM, _DELSETELEM = 0xA09, 0xA0C, 0xA0E

IP, IP6 = 2, 10  # families of tables
_HEADER = bytes((IP, 0, 0, 0))  # struct nfgenmsg: family, version 0
_BATCH = bytes((0, 0, 0, _SUBSYSTEM))
_ITEM = 1  # NFTA_LIST_ELEM
_RULE_POSITION, RULE_USERDATA = 6, 7
_SET_IS_ANONYMOUS, _SET_IS_CONSTANT, _SET_IS_MAP = 1, 2, 8
# libnftables' note of the set's keys, for listings: they are in the machine's order.
_KEYS_AS_HERE = bytes((0, 4)) + (1).to_bytes(4, netlink.ORDER)
# The kernel puts a number in the place of %d.
_ANONYMOUS = "__map%d"
_L4PROTO = 16
_WIDE = 1  # the 128 bit register that R0 begins


def transact(nft: netlink.Socket, *messages: Message) -> None:
    """All of `messages` or none; NetlinkError says why none."""
    begin, end = Message(_BATCH_BEGIN, 0, _BATCH), Message(_BATCH_END, 0, _BATCH)
    nft.batch(begin, messages, end)


def of_ipv6(message: Message) -> Message:
    """The same for a table of the family ip6."""
    return Message(message.kind, message.flags, bytes((IP6,)) + message.body[1:])


def new_table(name: str, comment: str) -> Message:
    userdata = attribute(TABLE_USERDATA, user_comment(comment))
    return Message(_NEWTABLE, CREATE, _HEADER + text(1, name) + userdata)


def delete_table(name: str) -> Message:
    return Message(_DELTABLE, 0, _HEADER + text(1, name))


def table(nft: netlink.Socket, name: str, family: int = IP) -> dict[int, bytes]:
    """The table's attributes; NetlinkError with ENOENT when there is none."""
    found = nft.request(Message(_GETTABLE, 0, _header(family) + text(1, name)))
    return netlink.attributes(found[0], len(_HEADER))


def new_chain(table: str, name: str, kind: str, hook: int, priority: int) -> Message:
    """A base chain of type `kind`; its policy is to accept."""
    where = nested(4, be32(1, hook), be32(2, priority))
    body = text(1, table) + text(3, name) + where + text(7, kind)
    return Message(_NEWCHAIN, CREATE, _HEADER + body)


def new_plain_chain(table: str, name: str) -> Message:
    """A chain for others to jump to."""
    return Message(_NEWCHAIN, CREATE, _HEADER + text(1, table) + text(3, name))


def require_chain(nft: netlink.Socket, table: str, name: str, family: int = IP) -> None:
    """Raise NetlinkError with ENOENT when there is no such chain."""
    body = _header(family) + text(1, table) + text(3, name)
    nft.request(Message(_GETCHAIN, 0, body))


def new_rule(table: str, chain: str, rule: Rule, comment: str = "") -> Message:
    """`rule` at the end of the chain."""
    body = _rule(table, chain, rule)
    if comment:
        body += attribute(RULE_USERDATA, user_comment(comment))
    return Message(_NEWRULE, CREATE | APPEND, body)


def flush(table: str, chain: str) -> Message:
    """Remove all rules of a chain."""
    return Message(_DELRULE, 0, _HEADER + text(1, table) + text(2, chain))


def insert_rule(
    table: str, chain: str, rule: Rule, comment: str, after: bytes = b""
) -> Message:
    """`rule` behind the one with the handle `after`, else at the chain's top."""
    body = _rule(table, chain, rule)
    body += attribute(RULE_USERDATA, user_comment(comment))
    if after:
        body += attribute(_RULE_POSITION, after)
    return Message(_NEWRULE, CREATE | (APPEND if after else 0), body)


def delete_rule(table: str, chain: str, handle: bytes) -> Message:
    body = text(1, table) + text(2, chain) + attribute(RULE_HANDLE, handle)
    return Message(_DELRULE, 0, _HEADER + body)


def rules(
    nft: netlink.Socket, table: str, chain: str = "", family: int = IP
) -> list[tuple[dict[int, bytes], bytes]]:
    """The rules of a table or chain: attributes, and the whole as it came."""
    body = _header(family) + text(1, table) + (text(2, chain) if chain else b"")
    found = nft.request(Message(_GETRULE, DUMP, body))
    return [(netlink.attributes(rule, len(_HEADER)), rule) for rule in found]


def chain_of(rule: dict[int, bytes]) -> str:
    """The chain that a rule is in."""
    return rule[_RULE_CHAIN].rstrip(b"\0").decode()


def new_map(table: str, name: str, key: tuple[int, ...]) -> Message:
    """A map from a concatenation of types to an address and a port."""
    body = (
        *(text(1, table), text(2, name), be32(3, _SET_IS_MAP)),
        *(be32(4, _concatenation(key)), be32(5, 4 * len(key))),
        *(be32(6, _concatenation((ADDRESS, SERVICE))), be32(7, 8)),
        be32(10, sum(name.encode())),  # an id for this transaction, required
    )
    return Message(_NEWSET, CREATE | EXCLUSIVE, _HEADER + b"".join(body))


def new_element(table: str, name: str, key: bytes, target: bytes) -> Message:
    """EEXIST or EBUSY where the key is taken."""
    item = nested(1, attribute(1, key)) + nested(2, attribute(1, target))
    body = text(1, table) + text(2, name) + nested(3, nested(_ITEM, item))
    return Message(_NEWSETELEM, CREATE | EXCLUSIVE, _HEADER + body)


def delete_element(table: str, name: str, key: bytes) -> Message:
    item = nested(1, attribute(1, key))
    body = text(1, table) + text(2, name) + nested(3, nested(_ITEM, item))
    return Message(_DELSETELEM, 0, _HEADER + body)


def new_choices(table: str, number: int, targets: tuple[bytes, ...]) -> list[Message]:
    """A map without a name from 0, 1, ... to `targets`, of one rule of the same
    transaction (`one_of`) and gone with it; `number` is its own there.

    A target is an address, or an address and a port, each of four bytes.
    """
    kinds = (ADDRESS, SERVICE)[: len(targets[0]) // 4]
    flags = _SET_IS_ANONYMOUS | _SET_IS_CONSTANT | _SET_IS_MAP
    made = (
        *(text(1, table), text(2, _ANONYMOUS), be32(3, flags)),
        *(be32(4, _INTEGER), be32(5, 4)),
        *(be32(6, _concatenation(kinds)), be32(7, 4 * len(kinds))),
        be32(10, number),
        attribute(13, _KEYS_AS_HERE),
    )
    items = [
        nested(
            _ITEM,
            nested(1, attribute(1, place.to_bytes(4, netlink.ORDER))),
            nested(2, attribute(1, target)),
        )
        for place, target in enumerate(targets)
    ]
    body = (text(1, table), text(2, _ANONYMOUS), nested(3, *items), be32(4, number))
    return [
        Message(_NEWSET, CREATE, _HEADER + b"".join(made)),
        Message(_NEWSETELEM, CREATE, _HEADER + b"".join(body)),
    ]


def user_comment(words: str) -> bytes:
    """libnftnl's user data: type 0, length, text with its zero byte."""
    data = words.encode() + b"\0"
    return bytes((0, len(data))) + data


def verdict(code: int) -> bytes:
    return _expression("immediate", be32(1, 0), nested(2, nested(2, be32(1, code))))


def jump(chain: str) -> bytes:
    """Go through another chain's rules, and come back where none has decided."""
    target = nested(2, be32(1, _JUMP), text(2, chain))
    return _expression("immediate", be32(1, 0), nested(2, target))


def masquerade() -> bytes:
    return _expression("masq")


def counter() -> bytes:
    return _expression("counter")


def interface(key: int, name: bytes, equal: bool = True) -> Rule:
    """`iifname "x"`, `oifname != "x"`; `name` is padded as its writer pads it."""
    return _expression("meta", be32(1, _WIDE), be32(2, key)), _compare(name, equal)


def within(offset: int, subnet: Subnet) -> Rule:
    """`ip saddr 10.201.0.0/24`."""
    mask = (0xFFFFFFFF << (32 - subnet.prefix)) & 0xFFFFFFFF
    return (
        _payload(1, offset, 4, _WIDE),
        _masked(mask.to_bytes(4, "big")),
        _compare(_socket.inet_aton(subnet.address)),
    )


def within_ipv6(source: bool, subnet: str) -> Rule:
    """`ip6 saddr fd00::/64`, `ip6 daddr ...`."""
    address, _, length = subnet.partition("/")
    bits = int(length)
    mask = ((1 << 128) - (1 << (128 - bits))).to_bytes(16, "big")
    return (
        _payload(1, 8 if source else 24, 16, _WIDE),
        _masked(mask),
        _compare(_socket.inet_pton(_socket.AF_INET6, address)),
    )


def tracked(key: int, bits: int) -> Rule:
    """`ct state established,related`, `ct status dnat`: any of the bits is set."""
    return (
        _expression("ct", be32(1, _WIDE), be32(2, key)),
        _masked(bits.to_bytes(4, netlink.ORDER)),
        _compare(bytes(4), equal=False),
    )


def to_this_host() -> Rule:
    """`fib daddr type local`."""
    return (
        # NFTA_FIB_F_DADDR, NFT_FIB_RESULT_ADDRTYPE, RTN_LOCAL
        _expression("fib", be32(1, _WIDE), be32(2, 3), be32(3, 2)),
        _compare((2).to_bytes(4, netlink.ORDER)),
    )


def address(offset: int, register: int) -> bytes:
    """Load `ip saddr` or `ip daddr`."""
    return _payload(1, offset, 4, register)


def service(register: int) -> Rule:
    """Load `meta l4proto . th dport`, into `register` and the one after it."""
    protocol = _expression("meta", be32(1, register), be32(2, _L4PROTO))
    return protocol, _payload(2, 2, 2, register + 1)


def dnat_by(name: str) -> Rule:
    """`dnat ip to ... map @name`; the key has been loaded, beginning in R0."""
    lookup = _expression("lookup", text(1, name), be32(2, _WIDE), be32(3, _WIDE))
    target = (be32(1, 1), be32(2, 2), be32(3, _WIDE), be32(5, R1))
    return lookup, _expression("nat", *target)


def is_at(offset: int, address: bytes) -> Rule:
    """`ip saddr x`, `ip daddr x`."""
    return _payload(1, offset, 4, _WIDE), _compare(address)


def for_service(protocol: int, port: bytes) -> Rule:
    """`meta l4proto x th dport y`."""
    return (
        _expression("meta", be32(1, _WIDE), be32(2, _L4PROTO)),
        _compare(bytes((protocol,))),
        _payload(2, 2, 2, _WIDE),
        _compare(port),
    )


def one_of(number: int, count: int, with_port: bool) -> Rule:
    """`dnat to numgen inc mod COUNT map { ... }`: one after the other of `count`
    choices, the map being that of this number (`new_choices`)."""
    choices = (text(1, _ANONYMOUS), be32(2, R0), be32(3, _WIDE), be32(4, number))
    target = (be32(1, 1), be32(2, 2), be32(3, _WIDE))
    return (
        _expression("numgen", be32(1, R0), be32(2, count), be32(3, 0), be32(4, 0)),
        _expression("lookup", *choices),
        _expression("nat", *target, *((be32(5, R1),) if with_port else ())),
    )


def _header(family: int) -> bytes:
    return bytes((family, 0, 0, 0))


def _rule(table: str, chain: str, rule: Rule) -> bytes:
    expressions = nested(4, *(nested(_ITEM, expression) for expression in rule))
    return _HEADER + text(1, table) + text(2, chain) + expressions


def _expression(name: str, *parameters: bytes) -> bytes:
    return text(1, name) + nested(2, *parameters)


def _compare(data: bytes, equal: bool = True) -> bytes:
    operator = be32(2, 0 if equal else 1)
    return _expression("cmp", be32(1, _WIDE), operator, nested(3, attribute(1, data)))


def _payload(base: int, offset: int, size: int, register: int) -> bytes:
    """`size` bytes of the network (1) or the transport (2) header."""
    place = (be32(2, base), be32(3, offset), be32(4, size))
    return _expression("payload", be32(1, register), *place)


def _masked(mask: bytes) -> bytes:
    registers = (be32(1, _WIDE), be32(2, _WIDE), be32(3, len(mask)))
    data = (nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(len(mask)))))
    return _expression("bitwise", *registers, *data)


def _concatenation(types: tuple[int, ...]) -> int:
    """How nft(8) notes the types of a concatenation, for its listings."""
    number = 0
    for kind in types:
        number = number << 6 | kind
    return number
