"""What a zygote or a child of it has told of what went wrong, as the error it was."""

from __future__ import annotations

from lamina.runtime import errors
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def failure(message: dict[str, Any]) -> ContainerError:
    """The error of a message that has one (children.tell)."""
    kind: type[ContainerError] = getattr(errors, message["error"], ContainerError)
    return kind(message["text"], hint=message["hint"])
