"""Which services a command is about, and in which order they depend on each other."""

from __future__ import annotations

from difflib import get_close_matches

from lamina.services.errors import ComposeError
from lamina.services.project import Project, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def selected(
    project: Project, names: Iterable[str] = (), alone: bool = False
) -> tuple[Service, ...]:
    """The services `names`, or all whose profiles are active, and what they depend on
    unless they are to be `alone`; who depends on others comes after them.

    Raises ComposeError for a name that is none, and for a dependency whose profile is
    not active.
    """
    asked = tuple(names)
    for name in asked:
        if project.service(name) is None:
            raise _unknown(project, name)
    roots = asked or tuple(one.name for one in project.services if active(project, one))
    if alone:
        chosen = set(roots)
        return tuple(one for one in ordered(project) if one.name in chosen)
    found: dict[str, Service] = {}
    for name in roots:
        _visit(project, name, found, set(asked))
    return tuple(found.values())


def active(project: Project, service: Service) -> bool:
    """Whether a service is one of those that are meant when none is named."""
    given = project.profiles
    return (
        not service.profiles or "*" in given or bool(set(given) & {*service.profiles})
    )


def ordered(project: Project) -> tuple[Service, ...]:
    """All services, who depends on others after them."""
    found: dict[str, Service] = {}
    names = {one.name for one in project.services}
    for service in project.services:
        _visit(project, service.name, found, names)
    return tuple(found.values())


def _visit(
    project: Project, name: str, found: dict[str, Service], asked: set[str]
) -> None:
    """Put a service into `found` behind what it depends on; cycles were ruled out when
    the file was read."""
    service = project.service(name)
    if service is None or name in found:
        return
    for dependency in service.depends_on:
        other = project.service(dependency.service)
        if other is None:
            continue
        if other.name in asked or active(project, other):
            _visit(project, other.name, found, asked)
        elif dependency.required:
            raise ComposeError(
                f"The service {service.name!r} depends on {other.name!r}, which none "
                "of the active profiles has.",
                hint=f"`--profile {other.profiles[0]}`, or name {other.name} as well.",
            )
    found[name] = service


def _unknown(project: Project, name: str) -> ComposeError:
    names = [one.name for one in project.services]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(names)}."
    return ComposeError(f"no such service: {name}", hint=hint)
