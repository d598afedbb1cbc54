"""Which names a container can find: those of the others on its networks.

They are read from the leases, which every start writes, and read again when those have
changed. Who has died without giving its lease back is not found.

A name that all members of a group share leads to the group's virtual address, once it
has one (groups.py), and `tasks.GROUP` to each of them. By IPv6 a group has no address
of its own: the members' are told, of those in rotation if there are any.
"""

from __future__ import annotations

import os
import time

from lamina.runtime.network import addresses, groups
from lamina.runtime.network.addresses import IN, STANDBY
from lamina.runtime.network.network_state import network_of
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.network.addresses import Leased
    from lamina.runtime.network.layout import Layout

    # A network's state directory, and its name.
    Zone = tuple[str, str]

# A directory's time stands still for so long (ns) while things change in it.
_GRAIN = 20_000_000
HOST = "host.lamina.internal"
_TASKS = "tasks."


class Names:
    """`zones` are the container's networks, the first that knows a name counts;
    `links` are names of its own for others. `host`: the gateway is the host."""

    def __init__(
        self, zones: tuple[Zone, ...], links: dict[str, str], host: bool = True
    ) -> None:
        self.zones = zones
        self._host = host
        self._links = {name.lower(): other.lower() for name, other in links.items()}
        self._tables: dict[str, _Table] = {}

    def find(self, name: str) -> list[Leased] | None:
        """Who is called so now, groups as if they were somebody; None where nobody
        is."""
        name = self._links.get(name, name)
        for place, network in self.zones:
            table = self._table(place)
            found = table.find(name)
            bare, dot, last = name.rpartition(".")
            if not found and dot and last == network.lower():
                found = table.find(bare)
            if found:
                return found
        return None

    def host(self) -> str:
        """The host's own address on the first network that has a way out."""
        for place, _ in self.zones if self._host else ():
            layout = network_of(place).layout
            if layout is not None and not layout.internal:
                return layout.gateway
        return ""

    def called(self, address: str) -> str:
        """The name of who has an address, with that of the network; "" for nobody."""
        for place, network in self.zones:
            table = self._table(place)
            for group, virtual in table.virtual.items():
                if address == virtual:
                    return f"{group}.{network}" if table.members(group) else ""
            for leased in table.all:
                if address in (leased.address, leased.address6) and leased.names:
                    return f"{leased.names[0]}.{network}" if leased.owner.alive else ""
        return ""

    def _table(self, place: str) -> _Table:
        known = self._tables.get(place)
        if known is None or not known.is_current():
            known = self._tables[place] = _Table(place)
        return known


class _Table:
    """The leases of one network as they were when this was made."""

    def __init__(self, place: str) -> None:
        network = network_of(place)
        self._leases = network.leases
        self._stamp = self._now()
        self._sure = time.time_ns() - self._stamp > _GRAIN
        layout = network.layout
        self.all: list[Leased] = []
        self.virtual = groups.virtual(network)
        self._names: dict[str, list[Leased]] = {}
        self._groups: dict[str, list[Leased]] = {}
        for leased in _leased(network.leases, layout):
            self.all.append(leased)
            names = {name.lower() for name in leased.names}
            if leased.group:
                names.add(leased.group.lower())
                self._groups.setdefault(leased.group, []).append(leased)
            for name in names:
                self._names.setdefault(name, []).append(leased)

    def find(self, name: str) -> list[Leased]:
        """Who lives and is called so."""
        found = [one for one in self._names.get(name, ()) if one.owner.alive]
        if not found and name.startswith(_TASKS):
            wanted = name.removeprefix(_TASKS)
            for group in self._groups:
                if group.lower() == wanted:
                    found += self.members(group)
        for group in {one.group for one in found}:
            if group in self.virtual and not name.startswith(_TASKS):
                found = self._led_to(group, name, found)
        return found

    def members(self, group: str) -> list[Leased]:
        """Those of a group who live."""
        return [one for one in self._groups.get(group, ()) if one.owner.alive]

    def _led_to(self, group: str, name: str, found: list[Leased]) -> list[Leased]:
        """The group's address in the place of its members', if they share the name."""
        members = self.members(group)
        for one in members:
            shared = (group, *one.shared)
            if name not in (text.lower() for text in shared):
                return found
        rotating = [one for one in members if one.rotation == IN]
        rotating = rotating or [one for one in members if one.rotation == STANDBY]
        return [
            *(one for one in found if one.group != group),
            replace(members[0], address=self.virtual[group], address6=""),
            *(replace(one, address="") for one in rotating or members if one.address6),
        ]

    def is_current(self) -> bool:
        return self._sure and self._now() == self._stamp

    def _now(self) -> int:
        try:
            return os.stat(self._leases).st_mtime_ns
        except FileNotFoundError:
            return 0


def _leased(directory: str, layout: Layout | None) -> list[Leased]:
    """The leases, with the IPv6 addresses that go with them."""
    try:
        names = [name for name in os.listdir(directory) if name[0] != "."]
    except FileNotFoundError:
        return []
    found = (addresses.read(directory, name) for name in names)
    return [
        replace(leased, address6=leased.address6 or layout.address6(leased.address))
        if layout is not None
        else leased
        for leased in found
        if leased is not None
    ]
