"""Bringing services up: images, networks, volumes and containers as they are to be."""

from __future__ import annotations

import threading

from lamina.cli.services.images import Getting, images_of
from lamina.cli.telling import warn
from lamina.services import ending, observed, surroundings
from lamina.services.alone import alone
from lamina.services.converging import Work, converge
from lamina.services.errors import ComposeError
from lamina.services.plan import plan
from lamina.services.selecting import selected
from lamina.services.waiting import wait_for
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.cli.services.view import View
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Image, Store
    from lamina.services.observed import Observed
    from lamina.services.plan import Plan
    from lamina.services.project import Dependency, Project, Service


def _diverged(_services: tuple[Service, ...]) -> Mapping[str, str]:
    return {}


@value
class Bringing:
    """What is asked: the services of these `names`, or all; `alone` leaves what they
    depend on. `recreate` says of each whether its containers are made anew (plan.py);
    `orphans` removes containers of services that are no more; the rest as Work has it.
    """

    names: tuple[str, ...] = ()
    alone: bool = False
    getting: Getting = Getting()
    recreate: Callable[[tuple[Service, ...]], Mapping[str, str]] = _diverged
    orphans: bool = False
    starts: bool = True
    patience: int | None = None
    renews_volumes: bool = False


@value
class Ready:
    """What is left to do once the images are here: all but the containers' own."""

    store: Store
    project: Project
    services: tuple[Service, ...]
    images: Mapping[str, Image]
    asked: Bringing

    def carry_out(self, shown: View, stopping: threading.Event | None = None) -> None:
        """Networks, volumes and containers; nothing more begins once `stopping` is set.
        Raises LaminaError."""
        with alone(self.store.root, self.project.name):
            _converge(self, shown, stopping or threading.Event())


def ready(store: Store, settings: Settings, project: Project, asked: Bringing) -> Ready:
    """The images of the services that are meant, got where they are not here."""
    services = selected(project, asked.names, asked.alone)
    images = images_of(store, settings, project, services, asked.getting)
    return Ready(store, project, services, images, asked)


def bring_up(
    store: Store, settings: Settings, project: Project, asked: Bringing, shown: View
) -> tuple[Observed, ...]:
    """Make it so; the containers of the services that are meant. Raises LaminaError."""
    made = ready(store, settings, project, asked)
    made.carry_out(shown)
    chosen = {one.name for one in made.services}
    there = observed.all_of(store.root, project.name)
    return tuple(one for one in there if one.service in chosen and not one.once)


def _converge(made: Ready, shown: View, stopping: threading.Event) -> None:
    store, project, asked = made.store, made.project, made.asked
    surroundings.make(store, project, made.services, shown)
    planned = plan(
        project,
        made.services,
        observed.all_of(store.root, project.name),
        {name: image.id for name, image in made.images.items()},
        asked.recreate(made.services),
    )
    _end_orphans(store, project, planned, asked, shown)
    converge(
        Work(
            store=store,
            project=project,
            plan=planned,
            images=made.images,
            emit=shown,
            stopping=stopping,
            starts=asked.starts,
            patience=asked.patience,
            renews_volumes=asked.renews_volumes,
        )
    )


def bring_up_dependencies(
    store: Store, settings: Settings, project: Project, service: Service, shown: View
) -> None:
    """Bring up what a service depends on, and wait until it may start; LaminaError."""
    names = tuple(
        one.service for one in service.depends_on if project.service(one.service)
    )
    if not names:
        return
    for one in bring_up(store, settings, project, Bringing(names), shown):
        for dependency in service.depends_on:
            if one.service == dependency.service:
                _wait_for(store, one, dependency)


def _wait_for(store: Store, one: Observed, dependency: Dependency) -> None:
    try:
        wait_for(store.root, one.container, dependency.condition, threading.Event())
    except ComposeError:
        if dependency.required:
            raise


def _end_orphans(
    store: Store, project: Project, planned: Plan, asked: Bringing, shown: View
) -> None:
    if not planned.orphans:
        return
    if not asked.orphans:
        names = ", ".join(one.container.name for one in planned.orphans)
        warn(
            f"containers of services that are no more ({names}) are "
            "of this project; `--remove-orphans` removes them."
        )
        return
    ending.stop_all(store, planned.orphans, project, asked.patience, shown)
    for one in planned.orphans:
        ending.remove(store, one.container, shown)
