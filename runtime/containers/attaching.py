"""`attach`: to watch a container that runs already."""

from __future__ import annotations

import os

from lamina.runtime.containers import control, events, state, streams
from lamina.runtime.containers.attached import Attached, Pipes
from lamina.runtime.containers.starting import wanted_streams
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.state import Container

_WHY = {
    state.PAUSED: ("a paused", "unpause it first"),
    state.RESTARTING: ("a restarting", "wait until it is running"),
}


def check_running(root: str, container: Container) -> None:
    """Raises ContainerError, with Docker's exit code, unless it can be attached to."""
    found = state.see(root, container.id)
    if found.status != state.RUNNING:
        kind, way = _WHY.get(found.status, ("a stopped", "start it first"))
        error = ContainerError(f"You cannot attach to {kind} container, {way}.")
        error.exit_code = 1
        raise error


def attach(root: str, container: Container, console: Console) -> Attached:
    """Watch a container from now on; it lives on when this process ends.

    Raises ContainerError, with Docker's exit code, unless it runs.
    """
    check_running(root, container)
    line = control.connect(root, container.id)
    if line is None:
        raise control.died()
    size = streams.size_of(console.terminal) if console.terminal >= 0 else (0, 0)
    pipes = Pipes(wanted_streams(container, console))
    request = {"op": "attach", "streams": pipes.streams, "size": size}
    try:
        wire.send(line, request, pipes.theirs)
    except OSError:
        line.close()
        pipes.ends.close()
        raise control.died() from None
    finally:
        for fd in pipes.theirs:
            os.close(fd)
    attached = Attached(line, pipes.ends)
    attached.started()
    events.tell(root, container, "attach")
    return attached
