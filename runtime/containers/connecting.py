"""Connecting a container: a namespace, its networks, its ports, its resolver.

Root's containers are on bridges of the host; an ordinary user's are on bridges of their
hub (hubs.py), or each has a helper process that speaks for it (user_network.py).
"""

from __future__ import annotations

import _thread
import os

from lamina.runtime.containers import endpoints
from lamina.runtime.containers.uplink import Uplink
from lamina.runtime.isolation.snapshot import needs_user_xattr
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.network.endpoint import Endpoint, Wanted
    from lamina.runtime.network.hub import Hub
    from lamina.runtime.network.ports import PortMapping
    from lamina.runtime.network.published import Lent, Published
    from lamina.runtime.owner import Owner


class Connecting:
    """A connection that is being made in a thread: `result`, or `cancel`.

    `owner` says who is to have it, once that is known; `namespace` is there before the
    rest, for who can begin with that.
    """

    def __init__(self, name: str, options: Options, owner: Callable[[], Owner]) -> None:
        self._lock = _thread.allocate_lock()
        self._outcome: Uplink | BaseException = Uplink()
        # While it is being made, a descriptor of our own: a failure closes the other.
        self._namespace = -1
        self._guard = _thread.allocate_lock()
        self._begun = _thread.allocate_lock()
        # With `-P` the image says which ports; without a network nothing is done.
        self.complete = not options.publish_all
        # A user's network is in the store, which is not open yet.
        self.complete &= options.network == endpoints.DEFAULT and not options.networks
        if self.complete:
            self._lock.acquire()
            self._begun.acquire()
            _thread.start_new_thread(self._work, (name, options, owner))

    def _work(self, name: str, options: Options, owner: Callable[[], Owner]) -> None:
        try:
            ports = published_ports(options)
            self._outcome = outbound(name, ports, owner(), self._begin)
        except BaseException as error:
            self._outcome = error
        finally:
            with self._guard:
                early, self._namespace = self._namespace, -1
            if early >= 0:
                os.close(early)
            else:
                self._begun.release()
            self._lock.release()

    def _begin(self, namespace: int) -> None:
        self._namespace = os.dup(namespace)
        self._begun.release()

    def namespace(self) -> int:
        """Its network namespace, as soon as that is there: a descriptor, the caller's
        to close. -1 where there is none, or no way out of it could be made."""
        with self._begun, self._guard:
            if self._namespace >= 0:
                return os.dup(self._namespace)
            made = self._outcome
            if isinstance(made, Uplink) and made.namespace >= 0:
                return os.dup(made.namespace)
            return -1

    def result(self) -> Uplink:
        """The connection; raises what went wrong."""
        with self._lock:
            if isinstance(self._outcome, BaseException):
                raise self._outcome
            return self._outcome

    def complete_for(self, root: str, container: Container, owner: Owner) -> None:
        """Make it now for a container that is on networks of the store; its ports are
        published by somebody else. Raises ContainerError."""
        if not self.complete:
            unpublished = replace(container.options, publish=(), publish_all=False)
            self._outcome = connect(
                root, replace(container, options=unpublished), owner
            )

    def cancel(self) -> None:
        """Nobody needs it any more."""
        with self._lock:
            if isinstance(self._outcome, Uplink):
                self._outcome.close()


def connect(root: str, container: Container, owner: Owner) -> Uplink:
    """Connect a container as its options say; raises ContainerError."""
    options = container.options
    other = endpoints.other_container(options.network)
    if other:
        from lamina.runtime.containers import state
        from lamina.runtime.keeper.lending import borrow

        uplink = Uplink()
        uplink.lender = state.directory(root, other)
        (uplink.namespace,) = borrow(uplink.lender, ("network",))
        return uplink
    if not endpoints.is_networked(options.network):
        return Uplink()
    if not options.networks:
        return outbound(container.id, wanted_ports(container), owner)
    return _connect_networks(root, container, owner)


def outbound(
    name: str,
    mappings: tuple[PortMapping, ...] = (),
    owner: Owner | None = None,
    begun: Callable[[int], None] = lambda _: None,
) -> Uplink:
    """A new namespace with a way out, for a container or for a build's steps.

    What is taken for it is `owner`'s, which is this process by default. `begun` may be
    told of the namespace before it leads anywhere.
    """
    uplink = Uplink()
    try:
        if needs_user_xattr():
            _connect_user(uplink, mappings)
        else:
            from lamina.runtime.network import network

            uplink.namespace = network.new_namespace()
            begun(uplink.namespace)
            wanted = network.Wanted(endpoints.BRIDGE)
            _join(uplink, network.STATE_DIR, name, owner, wanted)
            _publish(uplink, mappings, owner)
    except BaseException:
        uplink.close()
        raise
    return uplink


def published_ports(options: Options) -> tuple[PortMapping, ...]:
    """The mappings of `-p`."""
    if not options.publish:
        return ()
    from lamina.runtime.network.ports import parse_port

    return tuple(m for text in options.publish for m in parse_port(text))


def wanted_ports(container: Container) -> tuple[PortMapping, ...]:
    """The mappings of `-p`, and with `-P` one for each exposed port that has none."""
    found = published_ports(container.options)
    if not container.options.publish_all:
        return found
    from lamina.runtime.network.ports import PortMapping

    have = {(mapping.container_port, mapping.protocol) for mapping in found}
    more = []
    for text in container.config.exposed_ports:
        number, _, protocol = text.partition("/")
        if number.isdecimal() and (int(number), protocol or "tcp") not in have:
            more.append(PortMapping("", 0, int(number), protocol or "tcp"))
    return (*found, *more)


def _connect_networks(root: str, container: Container, owner: Owner) -> Uplink:
    """A new namespace, on the networks that the options name."""
    from lamina.runtime.network import network

    uplink = Uplink()
    try:
        uplink.namespace = network.new_namespace()
        if needs_user_xattr():
            endpoints.check_rootless(container.options)
            open_hub(uplink, root, container.id)
        for number, settings in enumerate(endpoints.settings_of(container.options)):
            place = endpoints.place_of(root, settings.network)
            wanted = endpoints.wanted(container, settings, f"eth{number}")
            _join(uplink, place, container.id, owner, wanted)
        _publish(uplink, wanted_ports(container), owner, root)
        if endpoints.on_own_networks(container.options):
            resolve(uplink, container)
    except BaseException:
        uplink.close()
        raise
    return uplink


def open_hub(uplink: Uplink, root: str, identity: str) -> None:
    """Have an ordinary user's hub, until the uplink is handed over or closed."""
    from lamina.runtime.containers import hubs

    uplink.hub_lock = hubs.lock(root)
    uplink.hub = hubs.obtain(root, identity)


def resolve(uplink: Uplink, container: Container) -> None:
    """Open the container's resolver, in the namespace of `uplink`."""
    from lamina.runtime.network.dns.sockets import open_sockets
    from lamina.runtime.network.resolver_files import host_nameservers

    options = container.options
    uplink.resolver = {
        "zones": zones(uplink.endpoints),
        "links": _links(options.links),
        "servers": options.dns or host_nameservers(),
        "leads_out": any(one.gateway for one in uplink.endpoints),
        "host": uplink.hub is None,
    }
    uplink.resolving = open_sockets(uplink.namespace)


def _links(texts: tuple[str, ...]) -> dict[str, str]:
    """Names by the aliases that the container has for them."""
    if not texts:
        return {}
    from lamina.runtime.containers.linking import parse

    return {alias: name for name, alias in map(parse, texts)}


def zones(found: tuple[Endpoint, ...]) -> tuple[tuple[str, str], ...]:
    """The networks whose names a container finds: not those on the one that is there
    by itself, as with docker."""
    return tuple((one.place, one.name) for one in found if one.name != endpoints.BRIDGE)


def _join(
    uplink: Uplink, place: str, name: str, owner: Owner | None, wanted: Wanted
) -> None:
    from lamina.runtime.network import network

    def join() -> Endpoint:
        return network.connect(place, uplink.namespace, name, owner, wanted)

    endpoint = join() if uplink.hub is None else uplink.hub.run(join)
    uplink.endpoints = (*uplink.endpoints, endpoint)


def _publish(
    uplink: Uplink,
    mappings: tuple[PortMapping, ...],
    owner: Owner | None,
    root: str = "",
) -> None:
    """Open ports for the first network that leads out: others have no way in either,
    and what is asked of them is left, as docker does. Those of a group are opened once
    for all of its members, which are containers of `root`."""
    leading = [one for one in uplink.endpoints if one.gateway]
    if mappings and leading:
        from lamina.runtime.network import network

        place, address = leading[0].place, leading[0].address
        at = tuple(_on_default_ip(place, mapping) for mapping in mappings)
        lent = _lent(uplink, root, leading[0], at) if leading[0].group else None
        if uplink.hub is None:
            published = network.publish(place, leading[0], at, owner, lent)
        else:
            from lamina.runtime.network.published import forward

            gateway = leading[0].gateway
            published = forward(at, address, uplink.namespace, lent, gateway)
            _lead_shared(uplink.hub, published, leading[0], owner)
        uplink.watched, uplink.ports = published, published.ports


def _lead_shared(
    hub: Hub, published: Published, endpoint: Endpoint, owner: Owner | None
) -> None:
    """Have the rules in an ordinary user's hub lead the ports that a group shares."""
    from lamina.runtime.network import netlink
    from lamina.runtime.network.network_state import Lock, network_of
    from lamina.runtime.owner import Owner

    network = network_of(endpoint.place)
    holder = owner or Owner.of(endpoint.address)

    def lead() -> None:
        with Lock(network), netlink.Socket(netlink.NETFILTER) as nft:
            published.shared.lead(network, endpoint.address, holder, nft, inside=True)

    if published.shared.mappings:
        try:
            hub.run(lead)
        except BaseException:
            hub.run(published.close)
            raise


def _lent(
    uplink: Uplink, root: str, endpoint: Endpoint, mappings: tuple[PortMapping, ...]
) -> Lent:
    """The sockets of ports that the group has open; nobody else opens some for it until
    the uplink is handed over or closed."""
    from lamina.runtime.containers import sharing

    uplink.group_lock = sharing.lock(endpoint)
    return sharing.borrow(root, endpoint, mappings)


def _on_default_ip(place: str, mapping: PortMapping) -> PortMapping:
    """With the host's address that the network says, where the user says none."""
    from lamina.runtime.network.network_state import network_of

    layout = network_of(place).layout
    if layout is None or not layout.host_ip or mapping.host_ip:
        return mapping
    return replace(mapping, host_ip=layout.host_ip)


def _connect_user(uplink: Uplink, mappings: tuple[PortMapping, ...]) -> None:
    from lamina.runtime.network import user_network
    from lamina.runtime.network.netns import new_namespace

    uplink.namespace = new_namespace()
    opened = user_network.attach(uplink.namespace, mappings)
    uplink.watched, uplink.ports = opened, opened.ports
    uplink.nameservers = opened.nameservers
    uplink.endpoints = (opened.endpoint,)
