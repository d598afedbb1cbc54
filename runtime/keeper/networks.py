"""The networks of a kept container: its endpoints and its open ports.

Imported with everything else of a network before the keeper leaves the host's files
(program.py, settle); a container without one imports nothing of it.
"""

from __future__ import annotations

import sys

from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.isolation.loop import Loop
    from lamina.runtime.network.dns.server import Resolver
    from lamina.runtime.network.endpoint import Endpoint
    from lamina.runtime.network.netlink import Socket
    from lamina.runtime.network.published import Published
    from lamina.runtime.owner import Owner

    # The fields of an Endpoint (network/endpoint.py).
    Fields = tuple[Any, ...]


class Networks:
    """`owner` has the leases: who keeps the container. `namespace` is its network.

    `hub` is where the networks are (-1: here), and `inside` makes a socket in a
    namespace.
    """

    def __init__(
        self,
        fields: tuple[Fields, ...],
        owner: Owner,
        published: Published | None,
        namespace: int = -1,
    ) -> None:
        self.published = published
        self._namespace = namespace
        self._owner = owner
        self._resolver: Resolver | None = None
        self._endpoints: list[Endpoint] = []
        self._rotation = "out"
        self._nft: Socket | None = None
        self.hub = -1
        self.inside: Callable[[int, Callable[[], _socket.socket]], _socket.socket]
        if fields:
            from lamina.runtime.network.endpoint import Endpoint

            self._endpoints = [Endpoint(*one) for one in fields]
        if published is not None:
            published.shared.rest(True)

    def described(self) -> tuple[dict[str, Any], ...]:
        """The endpoints as a state has them."""
        return tuple(dict(one.__dict__) for one in self._endpoints)

    @property
    def is_grouped(self) -> bool:
        """Whether it is a member of a group."""
        return any(one.group for one in self._endpoints)

    @property
    def shares_ports(self) -> bool:
        """Whether it has published ports together with others."""
        return self.published is not None and bool(self.published.shared.mappings)

    def rotate(self, rotation: str) -> None:
        """Have its groups lead to it as `rotation` says (network/addresses.py);
        connections that there are stay."""
        if rotation != self._rotation:
            self._rotation = rotation
            for endpoint in self._endpoints:
                self._rotate(endpoint)
            self.take_turns()

    def take_turns(self) -> None:
        """Take who comes to shared ports by us if its group leads to it now."""
        if self.shares_ports:
            _quietly(self._take_turns)

    def _take_turns(self) -> None:
        from lamina.runtime.network.groups import led_to
        from lamina.runtime.network.network_state import network_of

        assert self.published is not None
        leading = next(one for one in self._endpoints if one.gateway)
        led = led_to(network_of(leading.place))
        self.published.shared.rest(leading.address not in led)

    def _rotate(self, endpoint: Endpoint) -> None:
        if endpoint.group:
            from lamina.runtime.network import groups

            at = (endpoint.place, endpoint.address, self._rotation)
            _quietly(lambda: groups.rotate(*at, self._netfilter()))

    def _netfilter(self) -> Socket:
        """A netlink socket where the networks are, kept once it was needed."""
        if self._nft is None:
            from lamina.runtime.network import netlink

            made = None
            if self.hub >= 0:
                number = netlink.NETFILTER
                made = self.inside(self.hub, lambda: netlink.new_socket(number))
            self._nft = netlink.Socket(netlink.NETFILTER, made)
        return self._nft

    def _elsewhere(self) -> Socket | None:
        """A socket of where the rules of shared ports are, if that is not here."""
        return self._netfilter() if self.hub >= 0 and self.shares_ports else None

    def resolve(self, loop: Loop, given: dict[str, Any], fds: list[int]) -> None:
        """Answer the container's questions for names at these sockets."""
        from lamina.runtime.network.dns.server import taken_over

        if self._resolver is not None:
            self._resolver.close()
        self._resolver = taken_over(loop, given, fds)

    def _tell_resolver(self) -> None:
        """Have it look in the networks that there are now."""
        if self._resolver is not None:
            self._resolver.names.zones = tuple(
                (one.place, one.name) for one in self._endpoints if one.name != "bridge"
            )
            self._resolver.leads_out = any(one.gateway for one in self._endpoints)

    def join(self, fields: Fields) -> None:
        """Take over the lease of one more endpoint; raises ContainerError."""
        if "lamina.runtime.network.network" not in sys.modules:
            # What that takes is not here to be imported any more.
            raise ContainerError(
                "It runs without a network, and can be put on one only while it does "
                "not run."
            )
        from lamina.runtime.network import addresses
        from lamina.runtime.network.endpoint import Endpoint
        from lamina.runtime.network.network_state import Lock, network_of
        from lamina.values import replace

        endpoint = Endpoint(*fields)
        network = network_of(endpoint.place)
        with Lock(network):
            known = addresses.read(network.leases, endpoint.address)
            if known is None:
                raise ContainerError("The lease of the new address is gone.")
            addresses.write(network.leases, replace(known, owner=self._owner))
        self._endpoints.append(endpoint)
        self._tell_resolver()
        if self._rotation != "out":
            self._rotate(endpoint)

    def leave(self, place: str) -> tuple[str, ...]:
        """Forget an endpoint; ports that it carried are led by another one. Those that
        are left to a group are returned."""
        led = next((one for one in self._endpoints if one.gateway), None)
        gone = [one for one in self._endpoints if one.place == place]
        self._endpoints = [one for one in self._endpoints if one.place != place]
        self._tell_resolver()
        if self.published is None or not any(one.gateway for one in gone):
            return ()
        left = self.published.leave_group(self._elsewhere()) if led in gone else ()
        from lamina.runtime.network.network_state import network_of

        self.published.rest(True)
        leading = next((one for one in self._endpoints if one.gateway), None)
        if leading is None:
            return left
        if self.published.is_inside:
            self.published.redirect(leading.address, self._namespace)
        else:
            network = network_of(leading.place)
            self.published.move(network, leading.address, self._owner)
        self.published.rest(False)
        return left

    def close(self) -> None:
        """Close the ports and give the addresses back: each, whatever becomes of the
        others."""
        if self._resolver is not None:
            self._resolver.close()
        if self.published is not None:
            published = self.published
            _quietly(lambda: published.close(self._elsewhere()))
        for endpoint in self._endpoints:
            self._give_back(endpoint)

    def _give_back(self, endpoint: Endpoint) -> None:
        from lamina.runtime.network import network

        at = (endpoint.place, endpoint, self._owner)
        _quietly(lambda: network.disconnect(*at, self._nft))


def _quietly(call: Callable[[], None]) -> None:
    """What cannot be given back is seen to be of somebody dead, by who needs it."""
    try:  # noqa: SIM105 (contextlib is an import)
        call()
    except (ContainerError, OSError):
        pass
