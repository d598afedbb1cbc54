"""Publishing ports: the host port is bound first, then led to the container.

The bound socket keeps the port from others, says so when somebody has it already,
and serves what the kernel's map does not (forwarder.py).
"""

from __future__ import annotations

import _socket
import errno
import os

from lamina.runtime.network import conntrack, firewall, groups, netlink, portmap
from lamina.runtime.network.firewall import Element
from lamina.runtime.network.forwarder import Forwarder
from lamina.runtime.network.listeners import bind
from lamina.runtime.network.network_state import (
    Lock,
    Network,
    explained,
    is_hosts,
    network_of,
)
from lamina.runtime.network.ports import PROTOCOLS, PortMapping
from lamina.runtime.network.shared_ports import SharedPorts, inside_of, strike_stale
from lamina.runtime.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from lamina.runtime.network.endpoint import Endpoint
    from lamina.runtime.network.forwarder import Inside
    from lamina.runtime.network.shared_ports import Led

    Receive = Callable[[_socket.socket, tuple[str, int]], None]
    # The sockets of ports that other members of a group have already.
    Lent = Mapping[PortMapping, Sequence[_socket.socket]]


class Published:
    """Ports that are open until `close`, or until this process is gone.

    `ports` are the mappings with the host ports that they got, `shared` those of them
    that are a group's. The owner watches `fileno()` and calls `serve()` when it is
    readable.
    """

    def __init__(
        self,
        ports: tuple[PortMapping, ...],
        forwarder: Forwarder,
        shared: tuple[PortMapping, ...] = (),
    ) -> None:
        self.ports = ports
        self.shared = SharedPorts(shared, forwarder)
        self._forwarder = forwarder
        self._led: Led | None = None
        # Kept for moving them: close(2) waits until the kernel has freed the old map's
        # elements, 10 ms (net/netfilter/nf_tables_api.c, nft_rcv_nl_event).
        self._mover: netlink.Socket | None = None

    def __enter__(self) -> Published:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._forwarder.fileno()

    @property
    def is_inside(self) -> bool:
        """Whether they are passed on from inside the container's network."""
        return self._forwarder.is_inside

    def serve(self) -> None:
        """Pass on what waits, without blocking."""
        self._forwarder.serve()

    def hand_over(self) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
        """What another process needs to go on with the ports (`taken_over`), the
        descriptors for it, and those that it has to hold. They stay this process's, to
        be closed by `release`."""
        serving = self._forwarder.serving()
        given = {
            "ports": tuple(tuple(mapping.__dict__.values()) for mapping in self.ports),
            "shared": tuple(
                tuple(mapping.__dict__.values()) for mapping in self.shared.mappings
            ),
            "serving": tuple((stream, target) for _, stream, target in serving),
            "led": _plain(self._led),
            "shared_led": _plain(self.shared.led),
            "inside": self._forwarder.is_inside,
        }
        return given, tuple(fd for fd, _, _ in serving), ()

    def release(self) -> None:
        """Let go of the ports, which another process has now."""
        self._led = self.shared.led = None
        self._close()

    def close(self, nft: netlink.Socket | None = None) -> None:
        """Lead the ports nowhere and give them back; a second time does nothing. `nft`:
        of where the group's rules are, if that is elsewhere."""
        # The rules first: a port that is free again must not lead to us.
        if self._led is not None:
            network, elements = self._led
            self._led = None
            with Lock(network):
                _withdraw(network, elements)
        self.shared.withdraw(nft)
        self._close()

    def _close(self) -> None:
        self._forwarder.close()
        if self._mover is not None:
            self._mover.close()
            self._mover = None

    def _elements(self, address: str) -> tuple[Element, ...]:
        """What the kernel's map is to have of the ports."""
        own = (one for one in self.ports if one not in self.shared.mappings)
        return portmap.elements(own, address)

    def leave_group(self, nft: netlink.Socket | None = None) -> tuple[str, ...]:
        """Have no more to do with the ports that are shared, which are returned; `nft`
        as for `close`."""
        left = self.shared.leave(nft)
        self.ports = tuple(one for one in self.ports if one not in left)
        return tuple(map(str, left))

    def add(
        self, mapping: PortMapping, sockets: tuple[_socket.socket, ...], address: str
    ) -> None:
        """Serve one more port, bound already, for the container at `address`; the
        kernel leads it with the next `move`."""
        target = (address, mapping.container_port)
        _serve(self._forwarder, mapping, sockets, target)
        self.ports = (*self.ports, mapping)

    def remove(self, mapping: PortMapping, sockets: tuple[_socket.socket, ...]) -> None:
        """Give back a port that was added; the kernel forgets it with the next `move`.
        Connections that there are stay."""
        for socket in sockets:
            self._forwarder.remove(socket)
        self.ports = tuple(one for one in self.ports if one is not mapping)

    def move(self, network: Network, address: str, owner: Owner) -> None:
        """Lead the ports to the container at `address` instead: for the kernel in one
        step. Connections that there are stay where they are."""
        if self._led is None:
            self.lead(network, address, owner)
        else:
            elements = self._elements(address)
            before, self._led = self._led[1], (network, elements)
            nft = self._mover = self._mover or _nft()
            with Lock(network):
                for element in before:
                    portmap.forget(network.ports, element)
                for element in elements:
                    portmap.record(network.ports, element, owner)
                try:
                    firewall.move(nft, network.table, before, elements)
                except netlink.NetlinkError as error:
                    # Somebody flushed the map: the next container puts it up again.
                    if error.errno != errno.ENOENT:
                        raise
                    self._lead(nft, network, elements)
                _forget_flows(nft, (*before, *elements))
        self._forwarder.redirect(address)

    def redirect(self, address: str, namespace: int) -> None:
        """Pass the ports on to the container at `address` instead, from inside its
        `namespace`: where the kernel leads nothing."""
        self._forwarder.redirect(address, namespace)

    def rest(self, resting: bool) -> None:
        """Have who connects wait, or go on: while nothing is there to answer."""
        if resting and self._led is not None:
            network, elements = self._led
            self._led = None
            with Lock(network):
                _withdraw(network, elements)
        self._forwarder.rest(resting)

    def receive(self, receive: Callable[[Forwarder], Receive] | None) -> None:
        """Have connections go through us and be looked at first; None: no longer."""
        if receive is None:
            self._forwarder.receive(None)
            return
        self.rest(True)
        self._forwarder.receive(receive(self._forwarder))
        self._forwarder.rest(False)

    def lead(self, network: Network, address: str, owner: Owner) -> None:
        """Have the kernel lead IPv4 to the container at `address`, on behalf of
        `owner`."""
        elements = self._elements(address)
        self._led = network, elements
        with Lock(network), _nft() as nft:
            _withdraw(network, portmap.stale(network.ports))
            for element in elements:
                portmap.record(network.ports, element, owner)
            self._lead(nft, network, elements)
            shared = self.shared.lead(network, address, owner, nft)
            _forget_flows(nft, (*elements, *shared))

    def _lead(
        self, nft: netlink.Socket, network: Network, elements: tuple[Element, ...]
    ) -> None:
        try:
            firewall.publish(nft, network.table, elements)
        except netlink.NetlinkError as error:
            # Somebody flushed the rules just now. We serve the ports ourselves
            # until the next container puts them up again, from the record.
            if error.errno != errno.ENOENT:
                raise


def publish(
    state_dir: str,
    endpoint: Endpoint,
    ports: tuple[PortMapping, ...],
    owner: Owner | None = None,
    lent: Lent | None = None,
) -> Published:
    """Open `ports` of the host for the container at `endpoint`.

    They are led there while `owner` lives, which is this process by default. `lent`: as
    for `forward`. Raises NetworkError when a port is taken, saying by whom if that can
    be seen.
    """
    opened = forward(ports, endpoint.address, lent=lent)
    owner = owner or Owner.of(endpoint.address)
    try:
        with explained("The kernel refuses to publish a port"):
            opened.lead(network_of(state_dir), endpoint.address, owner)
    except BaseException:
        opened.close()
        raise
    return opened


def taken_over(
    given: dict[str, Any], fds: list[int], namespace: int | None, inside: Inside
) -> Published:
    """The ports that another process handed over, whose descriptors are ours now.

    `namespace`: as for `forward`; `inside` makes a socket in it.
    """
    forwarder = Forwarder(namespace, inside=inside)
    for fd, (stream, target) in zip(fds, given["serving"], strict=True):
        socket = _socket.socket(fileno=fd)
        add = forwarder.add_stream if stream else forwarder.add_datagram
        add(socket, target)
    ports, shared = (
        tuple(PortMapping(*m) for m in given[kind]) for kind in ("ports", "shared")
    )
    opened = Published(ports, forwarder, shared)
    opened._led = _of_plain(given["led"])
    opened.shared.led = _of_plain(given["shared_led"])
    return opened


def _plain(led: Led | None) -> Any:
    """What is led, as `_of_plain` reads it."""
    if led is None:
        return None
    network, elements = led
    return network.directory, tuple(tuple(e.__dict__.values()) for e in elements)


def _of_plain(plain: Any) -> Led | None:
    if plain is None:
        return None
    directory, elements = plain
    return network_of(directory), tuple(Element(*e) for e in elements)


def forward(
    ports: tuple[PortMapping, ...],
    address: str,
    namespace: int | None = None,
    lent: Lent | None = None,
    gateway: str = "",
) -> Published:
    """Open `ports` of the host; this process passes on what arrives there.

    With `namespace` it dials from inside that network namespace, which is how an
    ordinary user reaches a container whose address the host knows nothing of. `lent`
    are the sockets that other members of the container's group have already, None where
    it is in no group: members share each host port that is asked for by its number.
    With `gateway` they are passed on to that port there, for the group's rules to lead.
    """
    forwarder = Forwarder(namespace)
    got = []
    shared = []
    try:
        for mapping in ports:
            if lent and mapping in lent:
                bound, sockets = mapping, lent[mapping]
            else:
                bound, sockets = bind(mapping)
            got.append(bound)
            target = (address, mapping.container_port)
            if lent is not None and mapping.is_definite:
                shared.append(bound)
                if gateway and bound in inside_of(shared):
                    target = (gateway, mapping.host_port)
            _serve(forwarder, mapping, sockets, target)
    except BaseException:
        forwarder.close()
        raise
    return Published(tuple(got), forwarder, tuple(shared))


def _serve(
    forwarder: Forwarder,
    mapping: PortMapping,
    sockets: Iterable[_socket.socket],
    target: tuple[str, int],
) -> None:
    for socket in sockets:
        if mapping.protocol == "udp":
            forwarder.add_datagram(socket, target)
        else:
            forwarder.add_stream(socket, target)


def reserve() -> Published:
    """No ports yet, and nobody to lead them to: who connects to one that is added
    waits (`move`, `redirect`)."""
    opened = Published((), Forwarder())
    opened.rest(True)
    return opened


def collect(state_dir: str) -> int:
    """Close the ports that killed processes left open: how many there were."""
    network = network_of(state_dir)
    if not os.path.isdir(network.ports):
        return 0
    with Lock(network), explained("The kernel refuses to close a port"):
        left = portmap.stale(network.ports)
        _withdraw(network, left)
        shared = strike_stale(network)
        # An ordinary user's rules are where their networks are, or are no more.
        if shared and is_hosts():
            with _nft() as nft:
                groups.lead(network, nft)
    return len(left) + shared


def _withdraw(network: Network, elements: tuple[Element, ...]) -> None:
    """Remove from map and record; the caller holds the lock."""
    if not elements:
        return
    with _nft() as nft:
        firewall.withdraw(nft, network.table, elements)
        for element in elements:
            portmap.forget(network.ports, element)
        _forget_flows(nft, elements)


def _forget_flows(nft: netlink.Socket, elements: tuple[Element, ...]) -> None:
    for element in elements:
        if element.protocol == PROTOCOLS["udp"]:
            conntrack.forget(nft, element.protocol, element.host_port)


def _nft() -> netlink.Socket:
    return netlink.Socket(netlink.NETFILTER)
