"""Speaking to a container's keeper, over the socket in the container's directory."""

from __future__ import annotations

from lamina.runtime.containers import state
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.failures import failure
from lamina.runtime.keeper import lending

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any


def connect(root: str, identity: str) -> _socket.socket | None:
    """A connection to the keeper of a container; None when nobody keeps it."""
    try:
        return lending.connect(state.directory(root, identity))
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def ask(
    root: str, identity: str, request: dict[str, Any], fds: tuple[int, ...] = ()
) -> bool:
    """Have the keeper do something; False when nobody keeps the container.

    Raises ContainerError when the keeper refuses.
    """
    line = connect(root, identity)
    if line is None:
        return False
    try:
        if not wire.tell(line, request, fds):
            return False
        data, _ = wire.receive(line)
    finally:
        line.close()
    message = wire.load(data) if data else {}
    if "error" in message:
        raise failure(message)
    return bool(message)


def died() -> ContainerError:
    """What to say when the keeper is gone in the middle of it."""
    return ContainerError(
        "The container has ended, or the process that keeps it was killed.",
        hint="`lamina ps -a` shows what became of it.",
    )
