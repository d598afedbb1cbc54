"""What is told while a project is brought up or down."""

from __future__ import annotations

from collections.abc import Callable

from lamina.values import value

CONTAINER, NETWORK, VOLUME, IMAGE = "Container", "Network", "Volume", "Image"


@value
class Event:
    """`what` (CONTAINER, ...) of this name is `doing` something ("Starting"), or it is
    `done` ("Started"), or it `failed`."""

    what: str
    name: str
    doing: str
    done: bool = False
    failed: bool = False


Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Nobody listens."""
