"""What has to be done so that a project is as its file says: data, before it is done.

Containers that are as they should be stay; the rest is made anew, and what there is too
many of goes, the highest numbers first.
"""

from __future__ import annotations

from functools import partial

from lamina.services.project import Project, Service
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lamina.services.observed import Observed

DIVERGED, FORCE, NEVER = "diverged", "force", "never"
_SERVICE, _CONTAINER = "service:", "container:"


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
            recreate.get(service.name, DIVERGED),
            partial(_is_current, service, images.get(service.name, ""), found),
        )
        for service in services
    )
    return Plan(planned, tuple(one for one in found if one.service not in known))


def _service_plan(
    service: Service,
    there: list[Observed],
    recreate: str,
    is_current: Callable[[Observed], bool],
) -> ServicePlan:
    unique: dict[int, Observed] = {}
    twice = []
    # Two with one number are what an `up` that was killed has left of a replacement.
    for one in sorted(there, key=lambda one: _rank(one, is_current)):
        if unique.setdefault(one.number, one) is not one:
            twice.append(one)
    # Those that may stay count first, so that to scale down is to stop and no more.
    stays = {
        number
        for number, one in unique.items()
        if recreate != FORCE and (recreate == NEVER or is_current(one))
    }
    numbers = sorted(unique, key=lambda number: (number not in stays, number))
    replicas = [
        Replica(number, there=unique[number])
        if number in stays
        else Replica(number, replaces=unique[number])
        for number in numbers[: service.scale]
    ]
    free = (n for n in range(1, service.scale + len(unique) + 1) if n not in unique)
    while len(replicas) < service.scale:
        replicas.append(Replica(next(free)))
    surplus = (*twice, *(unique[number] for number in numbers[service.scale :]))
    in_order = sorted(replicas, key=lambda one: one.number)
    return ServicePlan(service, tuple(in_order), surplus)


def _rank(
    one: Observed, is_current: Callable[[Observed], bool]
) -> tuple[bool, bool, int]:
    """Which of several containers with one number is kept: the one that is as it should
    be, the one that runs, the youngest."""
    return not is_current(one), not one.state.is_active, -one.container.created


def _is_current(
    service: Service, image: str, there: Iterable[Observed], one: Observed
) -> bool:
    """Whether a container is what it would be if it were made now."""
    same = one.hash == service.hash and (not image or one.container.image == image)
    return same and _shares_what_is_there(service, there, one)


def _shares_what_is_there(
    service: Service, there: Iterable[Observed], one: Observed
) -> bool:
    """Whether the containers whose namespaces it has are still those of services."""
    options = one.container.options
    for key, mode in (
        ("network_mode", options.network),
        ("ipc", options.ipc),
        ("pid", options.pid),
    ):
        wanted = service.keys.get(key) or ""
        if wanted.startswith(_SERVICE):
            name = wanted.removeprefix(_SERVICE)
            ids = {other.container.id for other in there if other.service == name}
            if mode.removeprefix(_CONTAINER) not in ids:
                return False
    return True
