"""The containers that a command on a project is about."""

from __future__ import annotations

import contextlib

from lamina.cli.services.flags import ServicesUsage, named_project
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.services.observed import Observed
    from lamina.services.project import Project


@value
class Chosen:
    """The project's `name`, what its file says (None where there is none), and the
    `containers` of the services that were named, or of all."""

    store: Store
    name: str
    project: Project | None
    containers: tuple[Observed, ...]

    @property
    def order(self) -> list[str]:
        """The services, who depends on others after them."""
        from lamina.services.selecting import ordered

        return [one.name for one in ordered(self.project)] if self.project else []


@contextlib.contextmanager
def chosen(
    arguments: argparse.Namespace,
    settings: Settings,
    services: list[str],
    once: bool = False,
) -> Iterator[Chosen]:
    """The store, and the containers of `services`, or of all; those of `run` only where
    they count `once`. Raises ServicesUsage for a service that there is not."""
    from lamina.cli.containers.finding import open_store
    from lamina.services import observed

    named = named_project(arguments, settings, tuple(services))
    with open_store(settings) as store:
        there = observed.all_of(store.root, named.name)
        known = {one.service for one in there}
        if named.project is not None:
            known |= {one.name for one in named.project.services}
        for name in services:
            if name not in known:
                raise ServicesUsage(f"no such service: {name}")
        found = tuple(
            one
            for one in there
            if (not services or one.service in services) and (once or not one.once)
        )
        yield Chosen(store, named.name, named.project, found)


def container_of(found: Chosen, service: str, index: int) -> Observed:
    """The container of a service of that number, or its first that runs (0); raises
    ServicesUsage."""
    for one in found.containers:
        numbered = one.number == index if index else one.state.is_running
        if one.service == service and numbered:
            return one
    which = f" container #{index}" if index else ""
    raise ServicesUsage(
        f'service "{service}" is not running{which}',
        hint=f"`lamina up -d {service}` starts it.",
    )
