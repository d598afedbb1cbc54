"""Wanted: a container of a service, as it is to be made."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.services.project import Project, Service


@value
class Wanted:
    """A container as it is to be made. `place` is the directory that it will have in
    the store; `adopted` are volumes without a name that its predecessor had, by where
    they are in it; `once`: it is one of `run`, and no replica."""

    project: Project
    service: Service
    number: int
    name: str
    image_id: str
    place: str
    adopted: Mapping[str, str]
    once: bool = False
