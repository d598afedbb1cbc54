"""Published ports that the members of a group have together.

Each member's keeper has the listening sockets, so that the port is open while one of
them lives; the group's rules lead to those in rotation (groups.py), made from a note of
each member (portmap.py). What the rules do not lead is taken by the keepers that may.
"""

from __future__ import annotations

from lamina.runtime.network import groups, netlink, portmap
from lamina.runtime.network.network_state import Lock
from lamina.runtime.network.ports import PROTOCOLS
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.runtime.network.firewall import Element
    from lamina.runtime.network.forwarder import Forwarder
    from lamina.runtime.network.network_state import Network
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.owner import Owner

    Led = tuple[Network, tuple[Element, ...]]


class SharedPorts:
    """One member's: `mappings`, whose sockets the forwarder has; `led` is what it has
    noted."""

    def __init__(self, mappings: tuple[PortMapping, ...], forwarder: Forwarder) -> None:
        self.mappings = mappings
        self.led: Led | None = None
        self._forwarder = forwarder

    def lead(
        self,
        network: Network,
        address: str,
        owner: Owner,
        nft: netlink.Socket,
        inside: bool = False,
    ) -> tuple[Element, ...]:
        """Have the group lead them to the member at `address`, too: what was noted. The
        caller holds the network's lock. `inside`: the rules are in an ordinary user's
        hub, where the host's addresses are not."""
        mappings = self.mappings
        if inside:
            mappings = tuple(replace(m, host_ip="") for m in inside_of(mappings))
        elements = portmap.elements(mappings, address)
        if elements:
            self.led = network, elements
            for element in elements:
                portmap.record(network.ports, element, owner, shared=True)
            groups.lead(network, nft)
        return elements

    def withdraw(self, nft: netlink.Socket | None = None) -> None:
        """Leave them to the group's others; the sockets stay open. `nft`: of where the
        rules are, if that is elsewhere."""
        if self.led is None:
            return
        network, elements = self.led
        self.led = None
        own = nft or netlink.Socket(netlink.NETFILTER)
        try:
            with Lock(network):
                for element in elements:
                    portmap.forget(network.ports, element, shared=True)
                groups.lead(network, own)
        finally:
            if nft is None:
                own.close()

    def rest(self, resting: bool) -> None:
        """Leave who comes to the sockets to the group's others, or take them, too."""
        fds = tuple(fd for mapping in self.mappings for fd in self.sockets_of(mapping))
        self._forwarder.hold_back(fds, resting)

    def leave(self, nft: netlink.Socket | None) -> tuple[PortMapping, ...]:
        """Have no more to do with them: those that were left."""
        self.withdraw(nft)
        for mapping in self.mappings:
            for fd in self.sockets_of(mapping):
                self._forwarder.remove(self._forwarder.socket(fd))
        left, self.mappings = self.mappings, ()
        return left

    def sockets_of(self, mapping: PortMapping) -> tuple[int, ...]:
        """The sockets that hold the host port of a mapping, as descriptors."""
        wanted = (PROTOCOLS[mapping.protocol], mapping.host_port)
        hosts = (mapping.host_ip,) if mapping.host_ip else ("0.0.0.0", "::")
        found = []
        for fd, _, _ in self._forwarder.serving():
            socket = self._forwarder.socket(fd)
            host, port, *_ = socket.getsockname()
            if (socket.proto, port) == wanted and host in hosts:
                found.append(fd)
        return tuple(found)


def inside_of(mappings: Iterable[PortMapping]) -> tuple[PortMapping, ...]:
    """Those that rules can tell apart by the port alone: the first of each."""
    found: dict[tuple[str, int], PortMapping] = {}
    for mapping in mappings:
        found.setdefault((mapping.protocol, mapping.host_port), mapping)
    return tuple(found.values())


def strike_stale(network: Network) -> int:
    """Strike what members that are dead have noted: how many ports. The caller holds
    the network's lock, and has the rules led anew."""
    left = portmap.stale(network.ports, shared=True)
    for element in left:
        portmap.forget(network.ports, element, shared=True)
    return len(left)
