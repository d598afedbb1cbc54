"""The networks and volumes of a project: made where they are not there, and removed."""

from __future__ import annotations

from lamina.runtime.containers import hubs, volume_users
from lamina.runtime.errors import NetworkError
from lamina.runtime.network import definitions, making
from lamina.runtime.network.network_state import is_hosts
from lamina.runtime.network.planning import Request
from lamina.runtime.volumes import driver, stored
from lamina.services import labels
from lamina.services.errors import ComposeError
from lamina.services.events import NETWORK, VOLUME, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.store.store import Store
    from lamina.services.events import Emit
    from lamina.services.project import Network, Project, Service, Volume


def make(
    store: Store, project: Project, services: Iterable[Service], emit: Emit
) -> None:
    """Make the networks and volumes that `services` are on and have.

    Raises ComposeError for an external one that is not there, NetworkError and
    VolumeError.
    """
    chosen = tuple(services)
    for network in networks_of(project, chosen):
        _make_network(store, project, network, emit)
    for volume in volumes_of(project, chosen):
        _make_volume(store, project, volume, emit)


def networks_of(project: Project, services: Iterable[Service]) -> tuple[Network, ...]:
    """The networks that services are on."""
    keys = {key for one in services for key in one.keys.get("networks") or ()}
    return tuple(one for one in project.networks if one.key in keys)


def volumes_of(project: Project, services: Iterable[Service]) -> tuple[Volume, ...]:
    """The volumes that services have."""
    keys = {
        mount.get("source")
        for one in services
        for mount in one.keys.get("volumes") or ()
        if mount["type"] == "volume"
    }
    return tuple(one for one in project.volumes if one.key in keys)


def _make_network(store: Store, project: Project, network: Network, emit: Emit) -> None:
    try:
        found = definitions.load(store.root, network.name)
    except definitions.NoSuchNetwork as error:
        if network.external:
            raise ComposeError(
                f"network {network.name} declared as external, but could not be found",
                hint=f"`lamina network create {network.name}` makes it.",
            ) from error
    else:
        _check_owner(project, network, found.labels.get(labels.PROJECT, ""))
        return
    emit(Event(NETWORK, network.name, "Creating"))
    making.collect(store.root)
    making.create(
        store.root,
        network.name,
        _request(network),
        {
            key: str(text)
            for key, text in (network.keys.get("driver_opts") or {}).items()
        },
        labels.of_network(project, network),
        bool(network.keys.get("attachable")),
    )
    emit(Event(NETWORK, network.name, "Created", done=True))


def _check_owner(project: Project, network: Network, owner: str) -> None:
    """A network of this name that is not the project's may be anything (compose says so
    too, and goes on only where it is external)."""
    if not network.external and owner != project.name:
        whose = f"of the project {owner!r}" if owner else "of no project"
        raise NetworkError(
            f"a network with name {network.name} exists, but is {whose}",
            hint="Say `external: true` of it to use it all the same, or remove it: "
            f"`lamina network rm {network.name}`.",
        )


def _request(network: Network) -> Request:
    keys = network.keys
    known = keys.get("driver") or "bridge"
    if known != "bridge":
        raise NetworkError(f"There is no network driver {known!r}.", hint="bridge.")
    configs = (keys.get("ipam") or {}).get("config") or ()
    auxiliary = [one.get("aux_addresses") or {} for one in configs]
    return Request(
        subnets=tuple(one["subnet"] for one in configs if one.get("subnet")),
        gateways=tuple(one["gateway"] for one in configs if one.get("gateway")),
        pools=tuple(one["ip_range"] for one in configs if one.get("ip_range")),
        reserved=tuple(
            f"{name}={address}" for one in auxiliary for name, address in one.items()
        ),
        ipv6=bool(keys.get("enable_ipv6")),
        internal=bool(keys.get("internal")),
    )


def _make_volume(store: Store, project: Project, volume: Volume, emit: Emit) -> None:
    try:
        stored.load(store.root, volume.name)
    except stored.NoSuchVolume as error:
        if volume.external:
            raise ComposeError(
                f"external volume {volume.name!r} not found",
                hint=f"`lamina volume create {volume.name}` makes it.",
            ) from error
    else:
        return
    known = volume.keys.get("driver") or stored.DRIVER
    if known != stored.DRIVER:
        raise stored.VolumeError(f"There is no volume driver {known!r}.", hint="local.")
    options = {k: str(t) for k, t in (volume.keys.get("driver_opts") or {}).items()}
    driver.check(options)
    emit(Event(VOLUME, volume.name, "Creating"))
    stored.create(store.root, volume.name, labels.of_volume(project, volume), options)
    emit(Event(VOLUME, volume.name, "Created", done=True))


def remove_networks(store: Store, project: Project, emit: Emit) -> None:
    """Remove the project's networks; those of others, and that others use, stay."""
    _remove_networks(
        store, [one.name for one in project.networks if not one.external], emit
    )


def remove_volumes(store: Store, project: Project, emit: Emit) -> None:
    """Remove the project's volumes, with what is in them."""
    _remove_volumes(
        store, [one.name for one in project.volumes if not one.external], emit
    )


def remove_labelled(store: Store, project: str, volumes: bool, emit: Emit) -> None:
    """Remove what is labelled to be of a project, whose file is not at hand."""
    networks = definitions.definitions(store.root)
    names = [one.name for one in networks if one.labels.get(labels.PROJECT) == project]
    _remove_networks(store, names, emit)
    if volumes:
        known = stored.volumes(store.root)
        names = [one.name for one in known if one.labels.get(labels.PROJECT) == project]
        _remove_volumes(store, names, emit)


def _remove_networks(store: Store, names: Iterable[str], emit: Emit) -> None:
    hub = None if is_hosts() else hubs.existing(store.root)
    for name in names:
        try:
            definitions.load(store.root, name)
        except definitions.NoSuchNetwork:
            continue
        emit(Event(NETWORK, name, "Removing"))
        try:
            making.remove(store.root, name, hub)
        except NetworkError:
            emit(Event(NETWORK, name, "Resource is still in use", failed=True))
        else:
            emit(Event(NETWORK, name, "Removed", done=True))


def _remove_volumes(store: Store, names: Iterable[str], emit: Emit) -> None:
    for name in names:
        try:
            stored.load(store.root, name)
        except stored.NoSuchVolume:
            continue
        emit(Event(VOLUME, name, "Removing"))
        try:
            volume_users.remove_volume(store, name)
        except stored.VolumeError:
            emit(Event(VOLUME, name, "Resource is still in use", failed=True))
        else:
            emit(Event(VOLUME, name, "Removed", done=True))
