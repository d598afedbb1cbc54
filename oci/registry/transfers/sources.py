"""Sources: mirrors in their order, and at last the registry itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lamina.oci.errors import (
    InvalidArchive,
    InvalidDigest,
    InvalidImage,
    NotFound,
)
from lamina.oci.registry.errors import RegistryError

if TYPE_CHECKING:
    from lamina.oci.registry.repository import Repository

    Sources = tuple[Repository, ...]

T = TypeVar("T")

# A mirror may lack it, be down, be stale or be wrong: a page for people in place of a
# manifest, another blob. The registry decides.
_AT_FAULT = (RegistryError, InvalidArchive, InvalidDigest, InvalidImage, NotFound)


def first_sound(sources: Sources, ask: Callable[[Sources], T]) -> T:
    """What `ask` makes of the first source that has it as it should be; it is given
    that one and those after it. The last one's error is raised."""
    for number in range(len(sources) - 1):
        try:
            return ask(sources[number:])
        except _AT_FAULT:
            continue
    return ask(sources[-1:])
