"""A container's connection: its network namespace, its addresses, its published ports.

It is made by connecting.py; it is the command's until it is handed to a keeper.
"""

from __future__ import annotations

import os

from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any

    from lamina.oci.files.lock import Lock
    from lamina.runtime.network.endpoint import Endpoint
    from lamina.runtime.network.hub import Hub
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.network.published import Published
    from lamina.runtime.network.user_network import UserNetwork


@value
class Handed:
    """A connection for another process to go on with; descriptors stay the giver's.

    `ports` and `serving`: see network/published.py, hand_over. `endpoints`: the fields
    of the Endpoints that are to be given back; `held` has to stay open. `resolver`:
    what network/dns/server.py takes over, with its sockets. `hub`: the last two of
    `held` are the hub's (network/hub.py).
    """

    endpoints: tuple[tuple[object, ...], ...] = ()
    ports: dict[str, Any] | None = None
    serving: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    resolver: dict[str, Any] | None = None
    resolving: tuple[int, ...] = ()
    hub: bool = False


class Uplink:
    """Open until `close`. `namespace` is a descriptor, -1 where launch makes its own.

    `watched` has a `fileno()`; when that is readable its `serve()` has work to do.
    """

    def __init__(self) -> None:
        self.namespace = -1
        self.endpoints: tuple[Endpoint, ...] = ()
        self.nameservers: tuple[str, ...] = ()
        self.ports: tuple[PortMapping, ...] = ()
        self.watched: Published | UserNetwork | None = None
        # The directory of the container whose network it shares.
        self.lender = ""
        # Where the container's names are to be found, and the sockets to ask at.
        self.resolver: dict[str, Any] | None = None
        self.resolving: tuple[_socket.socket, ...] = ()
        # Where an ordinary user's networks are, and the lock on making it.
        self.hub: Hub | None = None
        self.hub_lock: Lock | None = None
        # While the ports that it shares with its group are its own to open.
        self.group_lock: Lock | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        """Its place on the first of its networks."""
        return self.endpoints[0] if self.endpoints else None

    @property
    def leading(self) -> Endpoint | None:
        """Its place on the first network with a way out, by which others come in."""
        return next((one for one in self.endpoints if one.gateway), self.endpoint)

    def detach_namespace(self) -> None:
        """Let go of the namespace, which the container now holds itself."""
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1

    def hand_over(self) -> Handed:
        """What another process needs to keep the connection, and to give it back."""
        endpoints = tuple(tuple(one.__dict__.values()) for one in self._leased())
        found = Handed(
            endpoints,
            resolver=self.resolver,
            resolving=tuple(socket.fileno() for socket in self.resolving),
        )
        if self.watched is not None:
            ports, serving, held = self.watched.hand_over()
            found = replace(found, ports=ports, serving=serving, held=held)
        if self.hub is not None:
            found = replace(found, held=(*found.held, *self.hub.fds), hub=True)
        return found

    def release(self) -> None:
        """Let go of what another process keeps now."""
        self.detach_namespace()
        if self.watched is not None:
            self.watched.release()
            self.watched = None
        self._let_go()
        self.endpoints = ()

    def _leased(self) -> tuple[Endpoint, ...]:
        """The endpoints that are given back: a user's is its helper's affair."""
        return tuple(one for one in self.endpoints if one.place)

    def close(self) -> None:
        """Give back ports and address; the container's processes are gone."""
        self.detach_namespace()
        if self.watched is not None:
            self._here(self.watched.close)
            self.watched = None
        for endpoint in self._leased():
            self._give_back(endpoint)
        self._let_go()
        self.endpoints = ()

    def _give_back(self, endpoint: Endpoint) -> None:
        from lamina.runtime.network import network

        self._here(lambda: network.disconnect(endpoint.place, endpoint))

    def _here(self, call: Callable[[], None]) -> None:
        """Do it where the networks are."""
        if self.hub is not None:
            self.hub.run(call)
        else:
            call()

    def _let_go(self) -> None:
        """Close what the keeper has a copy of, or nobody needs."""
        for socket in self.resolving:
            socket.close()
        self.resolving = ()
        for held in (self.hub, self.hub_lock, self.group_lock):
            if held is not None:
                held.close()
        self.hub = self.hub_lock = self.group_lock = None
