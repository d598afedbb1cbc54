"""Which names a container can find: those of the others on its networks.

They are read from the leases, which every start writes, and read again when those have
changed. Who has died without giving its lease back is not found.
"""

from __future__ import annotations

import os
import time

from lamina.runtime.network import addresses
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
        """Who is called so now; None where nobody is."""
        name = self._links.get(name, name)
        for place, network in self.zones:
            table = self._table(place)
            found = table.names.get(name)
            bare, dot, last = name.rpartition(".")
            if found is None and dot and last == network.lower():
                found = table.names.get(bare)
            if found is not None:
                alive = [leased for leased in found if leased.owner.alive]
                if alive:
                    return alive
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
            for leased in self._table(place).all:
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
        self.names: dict[str, list[Leased]] = {}
        for leased in _leased(network.leases, layout):
            self.all.append(leased)
            for name in leased.names:
                self.names.setdefault(name.lower(), []).append(leased)

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
