"""Leases: which container has which address of a network.

One file per address, named by it, holding its Owner. Who takes one holds the
network's lock; giving one back is an unlink and needs no lock. The next address is
the one after the last given out, so that an address rests before it is used again.
"""

from __future__ import annotations

import _socket
import os

from lamina.runtime.errors import NetworkError
from lamina.runtime.owner import Owner
from lamina.values import value

_LAST = ".last"


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


def lease(directory: str, subnet: Subnet, holder: Owner) -> str:
    """The next free address for `holder`; the caller holds the network's lock.

    Addresses of owners that are dead are free. Raises NetworkError when all are
    taken.
    """
    taken = {name for name in os.listdir(directory) if name[0] != "."}
    address = _next(subnet, _last(directory), taken)
    if address is None:
        taken -= _reclaim(directory)
        address = _next(subnet, _last(directory), taken)
    if address is None:
        raise NetworkError(
            f"all {len(taken)} addresses of the network {subnet} are taken",
            hint="Stop some containers: `lamina ps`.",
        )
    for name, content in ((address, str(holder)), (_LAST, address)):
        with open(os.path.join(directory, name), "w") as file:
            file.write(content)
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


def _next(subnet: Subnet, last: str, taken: set[str]) -> str | None:
    """The first address after `last` that is not taken, going round once."""
    low, count = subnet.first + 2, subnet.last - subnet.first - 2
    start = number(last) - low + 1 if last and last in subnet else 0
    for step in range(count):
        address = dotted(low + (start + step) % count)
        if address not in taken:
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
    try:
        with open(os.path.join(directory, address)) as file:
            return Owner.parse(file.read())
    except FileNotFoundError:
        return None
