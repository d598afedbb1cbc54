"""The rules of a network: the chains of its nftables table.

    table ip lamina {
      map pub    { type inet_proto . inet_service : ipv4_addr . inet_service }
      map pub_at { type ipv4_addr . inet_proto . inet_service : ... }
      chain raw  { hook prerouting, -300
        iifname "lamina0" ip daddr 127.0.0.0/8 drop
        iifname "lamina0" ip saddr 127.0.0.0/8 drop }
      chain pre  { hook prerouting, nat, -101
        iifname "lamina0" jump virtual
        jump fence
        ip daddr 127.0.0.0/8 return
        jump shared
        dnat ip to ip daddr . meta l4proto . th dport map @pub_at
        fib daddr type local dnat ip to meta l4proto . th dport map @pub }
      chain out  { hook output, nat, -101
        jump virtual, jump shared, and the last two of `pre` }
      chain post { hook postrouting, nat, 101
        ip saddr SUBNET oifname != "lamina0" masquerade
        ip saddr SUBNET ip daddr SUBNET ct status dnat masquerade
        ip saddr 127.0.0.0/8 oifname "lamina0" masquerade }
      chain forward { hook forward, 0
        iifname "lamina0" accept          (internal: if to "lamina0", else drop)
        oifname "lamina0" ct state established,related accept
        oifname "lamina0" ct status dnat accept
        oifname "lamina0" drop }
      chain virtual, fence, shared { those of groups: group_rules.py } }

`raw` is what route_localnet costs: without it a container could reach the host's
127.0.0.1 by a forged packet (CVE-2020-8558). The first rule of `pre` keeps a port
published on 127.0.0.1 from the neighbours in the LAN, `forward` keeps them from ports
that are not published at all.

A network with IPv6 has a table of the family ip6 too, with `post` and `forward`. What
comes from another network's bridge is dropped by the `forward` of this one: networks do
not reach each other, but for what they publish. Where containers are not to reach each
other (`icc`) they do not by way of the host either: no virtual address leads them on.
"""

from __future__ import annotations

from lamina.runtime.network import netlink
from lamina.runtime.network import nftables as nft
from lamina.runtime.network.addresses import Subnet
from lamina.values import value

PORTS, PORTS_AT = "pub", "pub_at"
VIRTUAL, FENCE, SHARED = GROUPS = ("virtual", "fence", "shared")
_LOOPBACK = Subnet("127.0.0.0", 8)

# Without a type it is a plain one, which others jump to.
Chain = tuple[str, str, int, int, tuple[nft.Rule, ...]]


@value
class Table:
    """The rules of one network: the table's name, the bridge's, its subnets.

    `internal`: nothing goes in or out; without `masquerade` others see addresses of
    containers; without `icc` they do not reach each other.
    """

    name: str
    bridge: str
    subnet: Subnet
    subnet6: str = ""
    internal: bool = False
    masquerade: bool = True
    icc: bool = True


def contents(table: Table) -> list[netlink.Message]:
    """Maps, chains and rules."""
    made = [
        nft.new_map(table.name, PORTS, (nft.PROTOCOL, nft.SERVICE)),
        nft.new_map(table.name, PORTS_AT, (nft.ADDRESS, nft.PROTOCOL, nft.SERVICE)),
    ]
    for name, kind, hook, priority, rules in chains(table):
        if kind:
            made.append(nft.new_chain(table.name, name, kind, hook, priority))
        else:
            made.append(nft.new_plain_chain(table.name, name))
        made.extend(nft.new_rule(table.name, name, rule) for rule in rules)
    return made


def chains(table: Table) -> tuple[Chain, ...]:
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
        (destination, *nft.service(nft.R1), *nft.dnat_by(PORTS_AT)),
        (*nft.to_this_host(), *nft.service(nft.R0), *nft.dnat_by(PORTS)),
    )
    raw = ((*here, *to_loopback, drop), (*here, *from_loopback, drop))
    virtual, shared = nft.jump(VIRTUAL), (nft.jump(SHARED),)
    pre = (
        *(((*here, virtual),) if table.icc else ()),
        (nft.jump(FENCE),),
        (*to_loopback, nft.verdict(nft.RETURN)),
        *(shared, *dnat),
    )
    out = (*from_subnet, *elsewhere, masquerade)
    post = (
        *((out,) if table.masquerade and not table.internal else ()),
        (*from_subnet, *to_subnet, *published, masquerade),
        (*from_loopback, *there, masquerade),
    )
    forward: tuple[nft.Rule, ...] = (
        (*here, accept),
        (*there, *known, accept),
        (*there, *published, accept),
        (*there, drop),
    )
    if table.internal:
        forward = ((*here, *there, accept), (*here, drop), (*there, drop))
    if not table.icc:
        forward = (*_apart(here, there), *forward)
    return (
        *((name, "", 0, 0, ()) for name in GROUPS),
        ("raw", "filter", nft.PREROUTING, -300, raw),
        ("pre", "nat", nft.PREROUTING, -101, pre),
        ("out", "nat", nft.OUTPUT, -101, ((virtual,), shared, *dnat)),
        ("post", "nat", nft.POSTROUTING, 101, post),
        ("forward", "filter", nft.FORWARD, 0, forward),
    )


def _apart(here: nft.Rule, there: nft.Rule) -> tuple[nft.Rule, ...]:
    """Ports that are published are for the neighbours on the bridge, too; the bridge
    itself lets nothing pass from one to the other, but the host would."""
    accept = nft.verdict(nft.ACCEPT)
    return (
        (*here, *there, *nft.tracked(nft.STATE, nft.ESTABLISHED_RELATED), accept),
        (*here, *there, *nft.tracked(nft.STATUS, nft.DNAT), accept),
        (*here, *there, nft.verdict(nft.DROP)),
    )


def contents6(table: Table) -> list[netlink.Message]:
    made = []
    for name, kind, hook, priority, rules in chains6(table):
        made.append(nft.new_chain(table.name, name, kind, hook, priority))
        made.extend(nft.new_rule(table.name, name, rule) for rule in rules)
    return made


def chains6(table: Table) -> tuple[Chain, ...]:
    """As `_chains`, for IPv6: ports are published by who listens on them."""
    bridge = table.bridge.encode().ljust(16, b"\0")
    here = nft.interface(nft.IIFNAME, bridge)
    there = nft.interface(nft.OIFNAME, bridge)
    elsewhere = nft.interface(nft.OIFNAME, bridge, equal=False)
    accept, drop = nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
    known = nft.tracked(nft.STATE, nft.ESTABLISHED_RELATED)
    out = (*nft.within_ipv6(True, table.subnet6), *elsewhere, nft.masquerade())
    post = (out,) if table.masquerade and not table.internal else ()
    forward: tuple[nft.Rule, ...] = (
        (*here, accept),
        (*there, *known, accept),
        (*there, drop),
    )
    if table.internal:
        forward = ((*here, *there, accept), (*here, drop), (*there, drop))
    if not table.icc:
        forward = ((*here, *there, *known, accept), (*here, *there, drop), *forward)
    return (
        ("post", "nat", nft.POSTROUTING, 101, post),
        ("forward", "filter", nft.FORWARD, 0, forward),
    )
