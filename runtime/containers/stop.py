"""Ending containers: signals, waiting, stopping; all from outside their keepers."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import contextlib
import os
import select
import time

from lamina.runtime.containers import events, state
from lamina.runtime.errors import ContainerError, NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.runtime.containers.state import Container, State

# Docker's, in seconds.
PATIENCE = 10
# The most that a keeper takes to record what the kernel already knows.
_RECORDING = 10.0
_SIGKILL = 9


def parse_signal(text: str) -> int:
    """`TERM`, `SIGTERM` or `15` as a number; raises ContainerError."""
    name = text.upper()
    if name.isdecimal() and 0 < int(name) < _signal.NSIG:
        return int(name)
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name.startswith("SIGRTMIN+") and name[9:].isdecimal():
        number = int(_signal.SIGRTMIN) + int(name[9:])
        if number <= _signal.SIGRTMAX:
            return number
    found = vars(_signal).get(name)
    # Beside the signals there are SIG_BLOCK and the like.
    if isinstance(found, int) and not name.startswith("SIG_"):
        return int(found)
    raise ContainerError(f"Invalid signal: {text}.", hint="As in TERM, SIGTERM or 15.")


def kill(root: str, container: Container, number: int) -> None:
    """Signal a container's first process; raises ContainerError unless it runs.

    SIGKILL and its stop signal end it for good: it is not restarted, nor by `system
    start` where the policy is unless-stopped.
    """
    found = state.see(root, container.id)
    final = number in (_SIGKILL, stop_signal(container))
    if not found.is_active:
        raise not_running(container)
    if final:
        _quit(root, container)
    if found.status != state.RESTARTING:
        _send(root, container, number)
        if final:
            _thaw(root, container)


def wait(root: str, identity: str, timeout: float | None = None) -> State | None:
    """Wait until a container's run has ended; None when `timeout` (s) is over before.

    One that was removed at its end counts as ended, with the code last recorded.
    """
    last = state.see(root, identity)
    deadline = None if timeout is None else time.monotonic() + timeout
    pidfd = state.open_process(last.init) if last.is_running else None
    if pidfd is not None:
        try:
            if not _is_readable(pidfd, deadline):
                return None
        finally:
            os.close(pidfd)
    init = last.init
    until = time.monotonic() + _RECORDING
    while last.is_running and last.init == init and time.monotonic() < until:
        try:
            last = state.see(root, identity)
        except NoSuchContainer:
            return last
        time.sleep(0.001)
    return last


def _is_readable(descriptor: int, deadline: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if deadline is None:
        return bool(poll.poll())
    return bool(poll.poll(max(0, 1000 * (deadline - time.monotonic()))))


def stop(
    root: str,
    container: Container,
    patience: int | None = None,
    signal: str = "",
    remove: bool = True,
) -> None:
    """Ask a container to end, and kill it after `patience` seconds (-1: never).

    Nothing happens to one that does not run. The signal is the image's by default. With
    `remove` False one of `--rm` stays. Returns when its keeper is gone.
    """
    found = state.see(root, container.id)
    if not found.is_active:
        return
    limit = patience_of(container) if patience is None else patience
    number = parse_signal(signal) if signal else stop_signal(container)
    _quit(root, container, remove)
    if found.status != state.RESTARTING:
        with _ended_meanwhile():
            _send(root, container, number)
            _thaw(root, container)
        if wait(root, container.id, None if limit < 0 else float(limit)) is None:
            _kill(root, container)
    _settle(root, container.id)
    events.tell(root, container, "stop")


def finish(root: str, container: Container) -> None:
    """Kill a container and wait until its end is recorded."""
    _quit(root, container)
    _kill(root, container)
    _settle(root, container.id)


def not_running(container: Container) -> ContainerError:
    """The error of what takes a running container."""
    error = ContainerError(f"Container {container.name} is not running.")
    error.exit_code = 1
    return error


def stop_signal(container: Container) -> int:
    """What asks a container to end."""
    return parse_signal(container.config.stop_signal or "SIGTERM")


def patience_of(container: Container) -> int:
    """How long it may take to end after that, in seconds."""
    chosen = container.options.stop_timeout
    return PATIENCE if chosen < 0 else chosen


def _quit(root: str, container: Container, remove: bool = True) -> None:
    from lamina.runtime.containers import control

    request = {"op": "quit", "stopped": True, "remove": remove}
    control.ask(root, container.id, request)


def _send(root: str, container: Container, number: int) -> None:
    from lamina.runtime import syscalls

    pidfd = state.open_process(state.see(root, container.id).init)
    if pidfd is None:
        raise not_running(container)
    # Told before it is done: what comes of it is told after it.
    events.tell(root, container, "kill", signal=str(number))
    try:
        with contextlib.suppress(ProcessLookupError):
            syscalls.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def _thaw(root: str, container: Container) -> None:
    """What is paused would not see the signal: it goes on."""
    if state.see(root, container.id).status == state.PAUSED:
        from lamina.runtime.containers import control

        control.ask(root, container.id, {"op": "pause", "paused": False})


def _kill(root: str, container: Container) -> None:
    with _ended_meanwhile():
        _send(root, container, _SIGKILL)
        _thaw(root, container)
        wait(root, container.id)


def _settle(root: str, identity: str) -> None:
    """Wait until the keeper has put all in order and is gone."""
    until = time.monotonic() + _RECORDING
    with contextlib.suppress(NoSuchContainer):
        while state.see(root, identity).keeper and time.monotonic() < until:
            time.sleep(0.001)


@contextlib.contextmanager
def _ended_meanwhile() -> Iterator[None]:
    """What has ended by itself needs no signal."""
    try:
        yield
    except NoSuchContainer:
        return
    except ContainerError as error:
        if error.exit_code != 1:
            raise
