"""What can be wrong with a compose file, and with what it asks for."""

from __future__ import annotations

import contextlib

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class ComposeError(LaminaError):
    """A compose file that cannot be read, or that asks for what cannot be."""


class NoComposeFile(ComposeError):
    """There is no compose file where one was looked for."""


class Interrupted(ComposeError):
    """Somebody asked to stop before all was done."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Interrupted before all services had come up.")


@contextlib.contextmanager
def about(service: str) -> Iterator[None]:
    """What goes wrong in here is told to be of that service, where it has no place."""
    try:
        yield
    except LaminaError as error:
        error.place = error.place or f"service {service}"
        raise
