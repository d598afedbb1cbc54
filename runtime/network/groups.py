"""Groups: containers of one network behind one virtual address.

    <groups>/web     its virtual address, a line, once there were two members

Who is a member, and whether it is in rotation, stands in the leases (addresses.py): a
group leads to its members that are in, and while none is, to those on standby. Which
ports the members share is in portmap.py. The rules (group_rules.py) are made from
those files each time. The address stays as long as the network: who has asked for the
name once may use it for ever. Whoever changes anything here holds the network's lock.
"""

from __future__ import annotations

import errno
import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.network import (
    addresses,
    conntrack,
    group_rules,
    links,
    netlink,
    portmap,
)
from lamina.runtime.network.addresses import IN, STANDBY, Subnet, dotted
from lamina.runtime.network.group_rules import Plan, Shared, Virtual
from lamina.runtime.network.network_state import Lock, network_of
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.addresses import Leased
    from lamina.runtime.network.network_state import Network


def virtual(network: Network) -> dict[str, str]:
    """The virtual addresses of the groups that have one."""
    try:
        names = sorted(os.listdir(network.groups))
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        if name[0] != ".":
            with open(os.path.join(network.groups, name)) as file:
                found[name] = file.read().strip()
    return found


def admit(
    network: Network, subnet: Subnet, name: str, taken: frozenset[str] = frozenset()
) -> bool:
    """Have a group that one more is about to join: whether it got its virtual address
    now, which is none of `taken`. Raises NetworkError when no address is free."""
    os.makedirs(network.groups, mode=0o700, exist_ok=True)
    others = any(one.group == name for one in addresses.living(network.leases))
    known = virtual(network)
    if name in known or not others:
        return False
    layout = network.layout
    among = Subnet.parse(layout.pool) if layout and layout.pool else subnet
    leased = {one for one in os.listdir(network.leases) if one[0] != "."}
    used = {*taken, *known.values(), *leased}
    if layout is not None:
        used |= {layout.gateway, *layout.reserved}
    last = min(among.last, subnet.last - 1)
    for at in range(last, max(among.first, subnet.first), -1):
        if dotted(at) not in used:
            _write(network, name, dotted(at))
            return True
    raise NetworkError(
        f"No address of the network {subnet} is free for the group {name}.",
        hint="Stop some containers: `lamina ps`.",
    )


def _write(network: Network, name: str, address: str) -> None:
    staging = os.path.join(network.groups, f".{name}")
    with open(staging, "w") as file:
        file.write(f"{address}\n")
    os.rename(staging, os.path.join(network.groups, name))


def clear(network: Network) -> None:
    """Strike all groups."""
    for name in virtual(network):
        os.unlink(os.path.join(network.groups, name))


def plan(network: Network) -> Plan:
    """Where the groups lead now."""
    if not os.path.isdir(network.groups):
        return group_rules.NONE
    led = led_to(network)
    targets_of: dict[str, list[str]] = {}
    for address, group in led.items():
        targets_of.setdefault(group, []).append(address)
    ports: dict[tuple[str, int, int], list[tuple[str, int]]] = {}
    for element in portmap.living(network.ports, shared=True):
        where = (element.host_ip, element.host_port, element.protocol)
        targets = ports.setdefault(where, [])
        if element.address in led:
            targets.append((element.address, element.port))
    return Plan(
        tuple(
            Virtual(name, address, tuple(targets_of.get(name, ())))
            for name, address in virtual(network).items()
        ),
        # Those of one address of the host before those of all.
        tuple(Shared(*where, tuple(ports[where])) for where in sorted(ports)[::-1]),
    )


def led_to(network: Network) -> dict[str, str]:
    """The members' addresses that are led to now, and their groups."""
    return _led(addresses.living(network.leases))


def _led(leases: tuple[Leased, ...]) -> dict[str, str]:
    members = [one for one in leases if one.group]
    found: dict[str, str] = {}
    for rotation in (IN, STANDBY):
        served = set(found.values())
        for one in members:
            if one.rotation == rotation and one.group not in served:
                found[one.address] = one.group
    return found


def lead(network: Network, nft: netlink.Socket) -> None:
    """Have the rules say what the files say. Where somebody took the rules away, the
    next container puts them up again."""
    try:
        group_rules.apply(nft, network.table, plan(network))
    except netlink.NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise


def answer(network: Network, route: netlink.Socket, index: int) -> None:
    """Have the bridge answer for the virtual addresses."""
    known = virtual(network)
    if known:
        have = {address for address, _ in links.addresses_of(route, index)}
        for address in known.values():
            if address not in have:
                route.request(links.own_address(index, address))


def rotate(place: str, address: str, rotation: str, nft: netlink.Socket) -> None:
    """Have a member led to by its group, or no longer; connections that there are stay,
    datagrams are led anew. `nft` is of where the network is.

    Who does it again and again keeps the socket: close(2) waits until the kernel has
    freed the rules of before, 10 ms. Raises NetworkError and OSError.
    """
    network = network_of(place)
    with Lock(network):
        leased = addresses.read(network.leases, address)
        if leased is None or not leased.group or leased.rotation == rotation:
            return
        changed = replace(leased, rotation=rotation)
        living = addresses.living(network.leases)
        after = _led(tuple(changed if one == leased else one for one in living))
        addresses.write(network.leases, changed)
        lead(network, nft)
    for one in _led(living):
        if one not in after:
            conntrack.forget_answers(nft, one)
