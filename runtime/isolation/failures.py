"""What goes wrong with a zygote or a child of it, as errors."""

from __future__ import annotations

from lamina.runtime import errors
from lamina.runtime.errors import ContainerError, NotPermitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def failure(message: dict[str, Any]) -> ContainerError:
    """The error of a message that has one (children.tell)."""
    kind: type[ContainerError] = getattr(errors, message["error"], ContainerError)
    return kind(message["text"], hint=message["hint"])


def not_permitted(error: OSError) -> NotPermitted:
    """The error of a process that may not make namespaces."""
    return NotPermitted(
        f"This process may not create containers: {error}.",
        hint="Run as root, or allow user namespaces (sysctl "
        "kernel.unprivileged_userns_clone, user.max_user_namespaces).",
    )
