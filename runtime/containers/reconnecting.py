"""Putting a container on one more network, and taking it off one, running or not.

The keeper of one that runs is told before there is anything to give back, and of the
end after it was given back: whoever dies on the way, the keeper knows all that it has.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial

from lamina.runtime.containers import (
    control,
    endpoints,
    events,
    linking,
    resolving,
    state,
)
from lamina.runtime.containers.connecting import open_hub, resolve, zones
from lamina.runtime.containers.uplink import Uplink
from lamina.runtime.errors import NetworkError
from lamina.runtime.network.network_state import is_hosts
from lamina.runtime.network.predefined import PREDEFINED
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from lamina.runtime.containers.endpoints import Settings
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.network.endpoint import Endpoint

    T = TypeVar("T")


def connect(
    root: str, container: Container, asked: Settings, links: tuple[str, ...] = ()
) -> None:
    """Put a container on a network; raises ContainerError."""
    with state.locked(root):
        container = state.load_container(root, container.id)
        asked = replace(asked, network=_name_of(root, asked.network))
        known = _joined(container)
        if asked.network in known:
            raise NetworkError(
                f"endpoint with name {container.name} already exists in network "
                f"{asked.network}"
            )
        options = container.options
        settings = (*endpoints.settings_of(options), asked)
        changed = replace(
            options,
            network=_mode(settings),
            networks=tuple(one.text() for one in settings),
            links=(*options.links, *links),
        )
        endpoints.check(changed)
        linking.check(changed)
        container = replace(container, options=changed)
        found = state.see(root, container.id)
        if found.is_running:
            if _is_on(found, asked.network):
                # Somebody died who had begun the same.
                _leave(root, container, found, asked.network)
                found = state.see(root, container.id)
            _join(root, container, found, asked)
        state.save_container(state.directory(root, container.id), container)
    _tell(root, "connect", container, asked.network)


def disconnect(root: str, container: Container, name: str, force: bool) -> None:
    """Take a container off a network; raises ContainerError, unless by `force`, when it
    is not on it."""
    with state.locked(root):
        container = state.load_container(root, container.id)
        with contextlib.suppress(NetworkError):
            name = _name_of(root, name)  # it may be gone, and the container not
        found = state.see(root, container.id)
        if name not in _joined(container) and not _is_on(found, name):
            if force:
                return
            raise NetworkError(
                f"Container {container.name} is not connected to network {name}."
            )
        options = container.options
        rest = tuple(s for s in endpoints.settings_of(options) if s.network != name)
        texts = tuple(settings.text() for settings in rest)
        changed = replace(options, network=_mode(rest), networks=texts)
        container = replace(container, options=changed)
        if found.is_running:
            _leave(root, container, found, name)
        state.save_container(state.directory(root, container.id), container)
    _tell(root, "disconnect", container, name)


def _is_on(found: State, name: str) -> bool:
    """Whether the keeper of a container that runs knows it to be on a network."""
    return found.is_running and any(one.name == name for one in found.endpoints)


def _mode(settings: tuple[Settings, ...]) -> str:
    """What `Options.network` is with these networks."""
    first = settings[0].network if settings else endpoints.NONE
    return endpoints.DEFAULT if first == endpoints.BRIDGE else first


def _joined(container: Container) -> tuple[str, ...]:
    options = container.options
    if not endpoints.is_networked(options.network) and options.network != "none":
        raise NetworkError(
            f"Container {container.name} has no networks of its own: it was made with "
            f"--network {options.network}."
        )
    return endpoints.names_of(options) if options.network != "none" else ()


def _name_of(root: str, name: str) -> str:
    from lamina.runtime.network import definitions

    if name in (endpoints.BRIDGE, endpoints.DEFAULT):
        return endpoints.BRIDGE
    if name in PREDEFINED:
        raise NetworkError(f"No container can be connected to the network {name}.")
    return definitions.load(root, name).name


def _join(root: str, container: Container, found: State, asked: Settings) -> None:
    from lamina.runtime.network import network

    place = endpoints.place_of(root, asked.network)
    wanted = endpoints.wanted(container, asked, _free_interface(found))
    with _namespace(found) as namespace:
        uplink = _uplink(root, container, found, namespace)
        here = uplink.hub.run if uplink.hub is not None else _here
        lease = partial(network.connect, place, namespace, container.id, None, wanted)
        endpoint = here(partial(lease, link=False))
        uplink.endpoints = (*found.endpoints, endpoint)
        try:
            if not _resolves(found) and endpoints.on_own_networks(container.options):
                resolve(uplink, container)
            asking = {
                "op": "join",
                "endpoint": _fields(endpoint),
                "resolver": uplink.resolver,
                "network": events.network_id(root, asked.network),
            }
            _ask(root, container, asking, _join_fds(uplink))
            here(partial(network.plug_in, namespace, endpoint))
        except BaseException:
            with contextlib.suppress(NetworkError):
                here(partial(network.disconnect, place, endpoint, found.keeper))
                _ask(root, container, {"op": "leave", "place": place})
            raise
        finally:
            uplink.release()
    _rewrite(root, container, (*found.endpoints, endpoint))


def _uplink(root: str, container: Container, found: State, namespace: int) -> Uplink:
    """What the container's network comes to with one more endpoint."""
    uplink = Uplink()
    uplink.namespace = os.dup(namespace)
    if not is_hosts():
        open_hub(uplink, root, "")
    uplink.endpoints = found.endpoints
    return uplink


def _here(call: Callable[[], T]) -> T:
    return call()


def _join_fds(uplink: Uplink) -> tuple[int, ...]:
    """A resolver's two sockets, or two that are none, and the hub's."""
    sockets = tuple(socket.fileno() for socket in uplink.resolving)
    if uplink.hub is None:
        return sockets
    return (*(sockets or uplink.hub.fds), *uplink.hub.fds)


def _resolves(found: State) -> bool:
    """Whether it has a resolver already: one that was on a network of its own has."""
    return bool(zones(found.endpoints))


def _leave(root: str, container: Container, found: State, name: str) -> None:
    from lamina.runtime.containers import hubs
    from lamina.runtime.network import network

    leaving = [one for one in found.endpoints if one.name == name]
    rest = tuple(one for one in found.endpoints if one.name != name)
    for endpoint in leaving:
        with _namespace(found) as namespace:
            network.unplug(namespace, endpoint, rest)
        hubs.disconnect(root, endpoint, found.keeper)
        _ask(root, container, {"op": "leave", "place": endpoint.place})
    _rewrite(root, container, rest)


def _rewrite(root: str, container: Container, current: tuple[Endpoint, ...]) -> None:
    """What the container reads of its names and addresses."""
    uplink = Uplink()
    uplink.endpoints = current
    linked: tuple[tuple[str, str], ...] = ()
    if zones(current):
        uplink.resolver = {}
    else:
        linked = linking.host_lines(linking.links(root, container.options))
    resolving.write_files(root, container, uplink, linked)


def _ask(
    root: str,
    container: Container,
    request: dict[str, Any],
    fds: tuple[int, ...] = (),
) -> None:
    if not control.ask(root, container.id, request, fds):
        raise NetworkError(f"Container {container.name} has just ended.")


def _fields(endpoint: Endpoint) -> tuple[object, ...]:
    return tuple(endpoint.__dict__.values())


def _free_interface(found: State) -> str:
    taken = {one.interface for one in found.endpoints}
    number = 0
    while f"eth{number}" in taken:
        number += 1
    return f"eth{number}"


@contextlib.contextmanager
def _namespace(found: State) -> Iterator[int]:
    """The network namespace of a container that runs, as a descriptor."""
    process = state.open_process(found.init)
    if process is None or found.init is None:
        raise NetworkError("The container has just ended.")
    try:
        namespace = os.open(
            f"/proc/{found.init.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC
        )
        try:
            yield namespace
        finally:
            os.close(namespace)
    finally:
        os.close(process)


def _tell(root: str, action: str, container: Container, name: str) -> None:
    about = (events.network_id(root, name), "bridge")
    events.tell_network(root, container, action, name, about)
