"""Stopping and removing containers of a project."""

from __future__ import annotations

import contextlib
from functools import partial

from lamina.runtime.containers import container as containers
from lamina.runtime.containers import state, volume_users
from lamina.runtime.containers import stop as stopping
from lamina.runtime.errors import NoSuchContainer
from lamina.runtime.volumes import stored
from lamina.services import hooks
from lamina.services.abreast import abreast
from lamina.services.events import CONTAINER, Event
from lamina.services.making import volumes_of
from lamina.services.selecting import ordered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container
    from lamina.services.events import Emit
    from lamina.services.observed import Observed
    from lamina.services.project import Project, Service


def stop(
    store: Store,
    container: Container,
    service: Service | None,
    patience: int | None,
    emit: Emit,
) -> None:
    """Stop a container, if it runs, after what its `service` has run before that (None:
    it has none any more); `patience` in seconds, None: its own."""
    with contextlib.suppress(NoSuchContainer):
        if not state.see(store.root, container.id).is_active:
            return
        if service is not None:
            hooks.before_stop(store.root, container, service)
        emit(Event(CONTAINER, container.name, "Stopping"))
        stopping.stop(store.root, container, patience, remove=False)
        emit(Event(CONTAINER, container.name, "Stopped", done=True))


def remove(
    store: Store, container: Container, emit: Emit, volumes: bool = False
) -> None:
    """Remove a container that does not run, with its nameless `volumes` or without."""
    emit(Event(CONTAINER, container.name, "Removing"))
    nameless = volumes_of(store, container) if volumes else {}
    containers.remove(store, container, volumes=volumes)
    for name in nameless.values():
        # One that it had taken over, and nobody has any more.
        with contextlib.suppress(stored.VolumeError):
            volume_users.remove_volume(store, name)
    emit(Event(CONTAINER, container.name, "Removed", done=True))


def stop_all(
    store: Store,
    found: Iterable[Observed],
    project: Project | None,
    patience: int | None,
    emit: Emit,
) -> None:
    """Stop containers: those of services that depend on others before those others,
    where the `project` is known."""
    order = [one.name for one in ordered(project)] if project else []

    def end(one: Observed) -> None:
        service = project.service(one.service) if project else None
        stop(store, one.container, service, patience, emit)

    for wave in waves(found, order):
        abreast([partial(end, one) for one in wave])


def waves(
    found: Iterable[Observed], order: Sequence[str]
) -> tuple[tuple[Observed, ...], ...]:
    """Containers in the order in which they end: those of services that come later in
    `order` first, since they depend on the others; what is in no order before all."""
    place = {name: number for number, name in enumerate(order)}
    last = len(place)
    by_place: dict[int, list[Observed]] = {}
    for one in found:
        by_place.setdefault(place.get(one.service, last), []).append(one)
    return tuple(tuple(by_place[number]) for number in sorted(by_place, reverse=True))
