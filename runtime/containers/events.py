"""What the store's journal is told of containers by commands; their keepers tell the
rest (runtime/keeper)."""

from __future__ import annotations

from lamina.oci.store import journal
from lamina.runtime.network.predefined import BRIDGE, HOST, NONE, PREDEFINED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from lamina.runtime.containers.state import Container
    from lamina.runtime.containers.volumes import Volume
    from lamina.runtime.network.endpoint import Endpoint


def tell(root: str, container: Container, action: str, **more: str) -> None:
    """Note what was done to a container; `more` are attributes beside its own."""
    attributes = {**described(container), **more}
    journal.note(root, "container", action, container.id, attributes)


def described(container: Container) -> dict[str, str]:
    """What an event says of its container: the labels, the image and the name."""
    return {
        **container.config.labels,
        "image": container.image_name,
        "name": container.name,
    }


def network_id(root: str, name: str) -> str:
    """The ID of a network; "" for one that has just been removed."""
    if name in PREDEFINED:
        return PREDEFINED[name]
    from lamina.runtime.network import definitions

    try:
        return definitions.load(root, name).id
    except definitions.NoSuchNetwork:
        return ""


def tell_network(
    root: str, container: Container, action: str, name: str, about: tuple[str, str]
) -> None:
    """Note that a container is on a network, or no more; `about`: its ID and kind."""
    attributes = {"container": container.id, "name": name, "type": about[1]}
    journal.note(root, "network", action, about[0], attributes)


def tell_taken(
    root: str, container: Container, found: Iterable[Endpoint]
) -> dict[str, Any]:
    """Note what a container that starts has taken, its networks and its volumes; what
    its keeper is to note when they are given back (keeper/given.py)."""
    networks = _networks(root, container, found)
    mounts = _mounts(root, container)
    for name, about in networks.items():
        tell_network(root, container, "connect", name, about)
    for volume in mounts:
        _tell_mount(root, container, volume)
    return {
        "networks": networks,
        "volumes": tuple(volume.source for volume in mounts),
    }


def _networks(
    root: str, container: Container, found: Iterable[Endpoint]
) -> dict[str, tuple[str, str]]:
    """The networks that a container is put on: their IDs and kinds, by their names."""
    mode = container.options.network
    if mode in (HOST, NONE):
        return {mode: (PREDEFINED[mode], "null" if mode == NONE else HOST)}
    # A user's default network has no name among the endpoints.
    names = (endpoint.name or BRIDGE for endpoint in found)
    return {name: (network_id(root, name), BRIDGE) for name in names}


def _mounts(root: str, container: Container) -> tuple[Volume, ...]:
    """The volumes that it mounts, with the names that they have got."""
    from lamina.runtime.containers import volumes

    if not volumes.of_container(container.options, container.config):
        return ()
    from lamina.runtime.containers.volume_users import mounted

    found = mounted(root, container)
    return tuple(one for one in found if one.kind == volumes.VOLUME)


def _tell_mount(root: str, container: Container, volume: Volume) -> None:
    attributes = {
        "container": container.id,
        "destination": volume.destination,
        "driver": "local",
        "propagation": "",
        "read/write": "false" if volume.read_only else "true",
    }
    journal.note(root, "volume", "mount", volume.source, attributes)
