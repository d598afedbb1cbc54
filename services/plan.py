"""What has to be done so that a project is as its file says: data, before it is done.

Containers that are as they should be stay; the rest is made anew, and what there is too
many of goes, the highest numbers first.
"""

from __future__ import annotations

from lamina.services.project import Project, Service
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.services.observed import Observed

DIVERGED, FORCE, NEVER = "diverged", "force", "never"


@value
class Replica:
    """One container of a service: `there` is that which stays, and starts if it does
    not run; without, one is made, in place of `replaces`."""

    number: int
    there: Observed | None = None
    replaces: Observed | None = None


@value
class ServicePlan:
    """The containers that a service is to have, and those that go."""

    service: Service
    replicas: tuple[Replica, ...]
    surplus: tuple[Observed, ...] = ()

    @property
    def renews(self) -> bool:
        """Whether a container of it is replaced by another."""
        return any(one.replaces is not None for one in self.replicas)


@value
class Plan:
    """`services` in the order of their dependencies; `orphans` are containers of
    services that the file has no more."""

    services: tuple[ServicePlan, ...]
    orphans: tuple[Observed, ...] = ()

    def of(self, name: str) -> ServicePlan | None:
        """What is planned for a service, or None."""
        return next((one for one in self.services if one.service.name == name), None)


def plan(
    project: Project,
    services: Iterable[Service],
    there: Iterable[Observed],
    images: Mapping[str, str],
    recreate: Mapping[str, str],
) -> Plan:
    """The plan for `services`; `images` are the IDs of their images, and `recreate`
    says of each whether what is there is made anew: DIVERGED, FORCE or NEVER."""
    found = [one for one in there if not one.once]
    known = {one.name for one in project.services}
    planned = tuple(
        _service_plan(
            service,
            [one for one in found if one.service == service.name],
            images.get(service.name, ""),
            recreate.get(service.name, DIVERGED),
        )
        for service in services
    )
    return Plan(planned, tuple(one for one in found if one.service not in known))


def _service_plan(
    service: Service, there: list[Observed], image: str, recreate: str
) -> ServicePlan:
    # Of two with one number, which a run that was killed leaves, one is too many.
    unique = {one.number: one for one in there}
    twice = tuple(one for one in there if unique[one.number] is not one)
    # Those that may stay count first, so that to scale down is to stop and no more.
    stays = {
        number: one
        for number, one in unique.items()
        if recreate != FORCE and (recreate == NEVER or is_current(one, service, image))
    }
    numbers = sorted(unique, key=lambda number: (number not in stays, number))
    kept = sorted(numbers[: service.scale])
    replicas = [
        Replica(number, there=unique[number])
        if number in stays
        else Replica(number, replaces=unique[number])
        for number in kept
    ]
    free = (n for n in range(1, service.scale + len(unique) + 1) if n not in unique)
    while len(replicas) < service.scale:
        replicas.append(Replica(next(free)))
    surplus = (*twice, *(unique[number] for number in numbers[service.scale :]))
    return ServicePlan(
        service, tuple(sorted(replicas, key=lambda one: one.number)), surplus
    )


def is_current(one: Observed, service: Service, image: str) -> bool:
    """Whether a container is what it would be if it were made now."""
    return one.hash == service.hash and (not image or one.container.image == image)
