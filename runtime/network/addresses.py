"""Leases: which container has which address of a network, and how it is called there.

One file per address, named by it. Who takes one holds the network's lock; giving one
back is an unlink and needs no lock. The next address is the one after the last given
out, so that an address rests before it is used again.

    <leases>/10.202.0.2    its Owner, a line; the container's names; its IPv6 address;
                           of a member of a group (groups.py): the group, where it is
                           in its rotation, the names that go with the group
"""

from __future__ import annotations

import _socket
import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.owner import Owner
from lamina.values import replace, value

_LAST = ".last"
IN, STANDBY, OUT = "in", "standby", "out"


@value
class Wish:
    """What is asked of a lease: a certain address ("" = the next), out of a part of the
    subnet (None = all of it), none of `reserved`; and what goes with it."""

    address: str = ""
    among: Subnet | None = None
    reserved: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    address6: str = ""
    group: str = ""
    shared: tuple[str, ...] = ()


@value
class Leased:
    """A lease of somebody who lives, or is not known to be dead.

    `rotation`: whether its group's connections are led to it: IN, OUT, or STANDBY, for
    while none is IN; `shared` are those of its names that are to be the group's.
    """

    address: str
    owner: Owner
    names: tuple[str, ...] = ()
    address6: str = ""
    group: str = ""
    rotation: str = OUT
    shared: tuple[str, ...] = ()


@value
class Subnet:
    """An IPv4 network; the gateway is its first address."""

    address: str
    prefix: int

    @classmethod
    def parse(cls, text: str) -> Subnet:
        """`10.201.0.0/24`, or any address in it."""
        address, _, prefix = text.partition("/")
        return cls.at(number(address), int(prefix))

    @classmethod
    def at(cls, address: int, prefix: int) -> Subnet:
        """The network of that size which holds an address given as a number."""
        mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
        return cls(dotted(address & mask), prefix)

    @property
    def first(self) -> int:
        return number(self.address)

    @property
    def last(self) -> int:
        """The broadcast address."""
        return self.first + (1 << (32 - self.prefix)) - 1

    @property
    def gateway(self) -> str:
        return dotted(self.first + 1)

    def __str__(self) -> str:
        return f"{self.address}/{self.prefix}"

    def covers(self, other: Subnet) -> bool:
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: Subnet) -> bool:
        return self.first <= other.last and other.first <= self.last

    def __contains__(self, address: str) -> bool:
        return self.first <= number(address) <= self.last


def number(address: str) -> int:
    """`10.0.0.1` as a number."""
    return int.from_bytes(_socket.inet_aton(address), "big")


def dotted(address: int) -> str:
    """A number as `10.0.0.1`."""
    return _socket.inet_ntoa(address.to_bytes(4, "big"))


def lease(
    directory: str, subnet: Subnet, holder: Owner, wish: Wish | None = None
) -> str:
    """A free address for `holder`; the caller holds the network's lock.

    Addresses of owners that are dead are free. Raises NetworkError when all are
    taken, or the one that is wished for.
    """
    wish = wish or Wish(reserved=frozenset((subnet.gateway,)))
    if wish.address:
        address = _certain(directory, subnet, wish)
    else:
        address = _any(directory, subnet, wish)
        with open(os.path.join(directory, _LAST), "w") as file:
            file.write(address)
    made = Leased(address, holder, wish.names, wish.address6, wish.group)
    write(directory, replace(made, shared=wish.shared))
    return address


def _any(directory: str, subnet: Subnet, wish: Wish) -> str:
    taken = {name for name in os.listdir(directory) if name[0] != "."}
    address = _next(subnet, _last(directory), taken, wish)
    if address is None:
        taken -= _reclaim(directory)
        address = _next(subnet, _last(directory), taken, wish)
    if address is None:
        raise NetworkError(
            f"All {len(taken)} addresses of the network {subnet} are taken.",
            hint="Stop some containers: `lamina ps`.",
        )
    return address


def write(directory: str, leased: Leased) -> None:
    """Note a lease, in place of what was noted for the address; whoever reads the
    directory meanwhile sees one or the other."""
    path = os.path.join(directory, f".{leased.address}.new")
    names = " ".join(leased.names)
    with open(path, "w", errors="surrogateescape") as file:
        file.write(f"{leased.owner}{names}\n{leased.address6}\n")
        if leased.group:
            member = (leased.group, leased.rotation, *leased.shared)
            file.write(" ".join(member) + "\n")
    os.rename(path, os.path.join(directory, leased.address))


def read(directory: str, address: str) -> Leased | None:
    """The lease of an address, its owner dead or alive; None where there is none."""
    try:
        with open(os.path.join(directory, address), errors="surrogateescape") as file:
            found = Owner.parse(file.readline())
            names, address6 = file.readline().split(), file.readline().strip()
            group, where, *shared = (*file.readline().split(), "", "")
    except FileNotFoundError:
        return None
    if found is None:
        return None
    more = (group, where or OUT, tuple(filter(None, shared)))
    return Leased(address, found, tuple(names), address6, *more)


def living(directory: str) -> tuple[Leased, ...]:
    """The leases whose owners live, by their addresses."""
    found = (read(directory, name) for name in os.listdir(directory) if name[0] != ".")
    alive = [leased for leased in found if leased is not None and leased.owner.alive]
    return tuple(sorted(alive, key=lambda leased: number(leased.address)))


def _certain(directory: str, subnet: Subnet, wish: Wish) -> str:
    """The address that is wished for, if it can be had."""
    address = wish.address
    if address not in subnet or number(address) in (subnet.first, subnet.last):
        raise NetworkError(
            f"The address {address} is none of the network {subnet}.",
            hint="`lamina network inspect` shows its subnet.",
        )
    known = read(directory, address)
    if address in wish.reserved or (known is not None and known.owner.alive):
        who = f" by {known.owner.name[:12]}" if known is not None else ""
        raise NetworkError(f"The address {address} is in use{who}.")
    return address


def release(directory: str, address: str) -> bool:
    """Give an address back; False when it was given back already."""
    try:
        os.unlink(os.path.join(directory, address))
    except FileNotFoundError:
        return False
    return True


def leases(directory: str) -> dict[str, Owner]:
    """Who has which address, the dead left out."""
    found = {}
    for address in os.listdir(directory):
        holder = None if address[0] == "." else owner(directory, address)
        if holder is not None and holder.alive:
            found[address] = holder
    return found


def _next(subnet: Subnet, last: str, taken: set[str], wish: Wish) -> str | None:
    """The first address after `last` that is not taken, going round once."""
    among = wish.among or subnet
    low, high = max(among.first, subnet.first + 1), min(among.last, subnet.last - 1)
    count = high - low + 1
    start = number(last) - low + 1 if last and last in among else 0
    for step in range(count):
        address = dotted(low + (start + step) % count)
        if address not in taken and address not in wish.reserved:
            return address
    return None


def _last(directory: str) -> str:
    try:
        with open(os.path.join(directory, _LAST)) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _reclaim(directory: str) -> set[str]:
    """Remove the leases of the dead: their addresses."""
    living = leases(directory)
    dead = {n for n in os.listdir(directory) if n[0] != "." and n not in living}
    for address in dead:
        release(directory, address)
    return dead


def owner(directory: str, address: str) -> Owner | None:
    """Who took the address last and did not give it back, dead or alive."""
    found = read(directory, address)
    return found.owner if found else None
