"""`exec`: one more process in a container that runs."""

from __future__ import annotations

import contextlib

from lamina.runtime.containers import control, process, state
from lamina.runtime.containers.console import Console, open_streams
from lamina.runtime.containers.session import Session
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.request import process_of
from lamina.runtime.isolation.sandbox import started
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from lamina.runtime.containers.state import Container
    from lamina.runtime.isolation.sandbox import Sandbox
    from lamina.runtime.spec import Process


@value
class Execution:
    """What `exec` asks for; "" and () as the container has it."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    terminal: bool = False
    interactive: bool = False
    privileged: bool = False
    detached: bool = False


def execute(
    root: str, container: Container, asked: Execution, console: Console
) -> int | None:
    """Run a command in a container of the store at `root`; its exit code, or 0 at once
    when detached; None once the keys were typed that let it go.

    The container's keeper starts it, and ends it should this process end before it,
    unless it is detached. Raises ContainerError when the container does not run, and as
    a launch does.
    """
    options = container.options
    if asked.privileged:
        container = replace(container, options=replace(options, privileged=True))
    line = _line(root, container)
    with contextlib.ExitStack() as end, contextlib.ExitStack() as stack:
        end.callback(line.close)
        streams, ends = open_streams(asked.terminal, asked.interactive, stack)
        try:
            sandbox = _ask(line, _request(root, container, asked, console), streams)
        except BaseException:
            ends.close()
            raise
        stack.close()
        with sandbox:
            if asked.detached:
                ends.close()
                return 0
            status = Session(sandbox, ends, console).run()
            return None if status is None else status.code


_WHY = {
    state.PAUSED: ("is paused", "`lamina unpause` it first."),
    state.RESTARTING: ("is restarting", "Wait until it is running."),
}


def _line(root: str, container: Container) -> _socket.socket:
    found = state.see(root, container.id)
    line = control.connect(root, container.id) if found.is_running else None
    if line is not None and found.status == state.RUNNING:
        return line
    said, hint = _WHY.get(found.status, ("is not running", "`lamina start` it first."))
    error = ContainerError(f"Container {container.name} {said}.", hint=hint)
    error.exit_code = 1
    raise error


def _request(
    root: str, container: Container, asked: Execution, console: Console
) -> dict[str, Any]:
    keeper = state.load_state(root, container.id).keeper
    inside = keeper.pid if keeper is not None else 0
    known = container
    if container.options.links:
        from lamina.runtime.containers import linking

        known = linking.running(root, container)
    return {
        "op": "exec",
        "process": process_of(_process(known, asked, console)),
        "bpf": process.seccomp_filter(root, container, inside),
        "detached": asked.detached,
    }


def _ask(
    line: _socket.socket, request: dict[str, Any], streams: tuple[int, int, int]
) -> Sandbox:
    """Send the request; the process, once it has begun."""

    def ask(ends: tuple[int, int]) -> None:
        try:
            wire.send(line, request, (*ends, *streams))
        except OSError:
            raise control.died() from None

    return started(ask, control.died)


def _process(container: Container, asked: Execution, console: Console) -> Process:
    """The container's own process, with what was asked for instead."""
    from lamina.runtime.containers.streams import size_of

    size = size_of(console.terminal) if console.terminal >= 0 else (0, 0)
    return replace(
        process.process(container),
        args=asked.args,
        env=process.environment(container, asked.terminal, asked.env),
        cwd=asked.working_dir or container.config.working_dir or "/",
        user=asked.user or container.config.user,
        terminal=asked.terminal,
        console_size=size,
        init=False,
    )
