"""Ending containers: signals, waiting, stopping; all from outside their supervisors."""

from __future__ import annotations

import contextlib
import os
import select
import time

from lamina.runtime import state
from lamina.runtime.errors import ContainerError, NoSuchContainer
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.runtime.state import Container, State

# Docker's, in seconds.
PATIENCE = 10
# The most that a supervisor takes to record what the kernel already knows.
_RECORDING = 10.0


def parse_signal(text: str) -> int:
    """`TERM`, `SIGTERM` or `15` as a number; raises ContainerError."""
    import signal

    name = text.upper()
    if name.isdecimal() and 0 < int(name) < signal.NSIG:
        return int(name)
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name.startswith("SIGRTMIN+") and name[9:].isdecimal():
        number = signal.SIGRTMIN + int(name[9:])
        if number <= signal.SIGRTMAX:
            return number
    found = signal.__dict__.get(name)
    if isinstance(found, signal.Signals):
        return int(found)
    raise ContainerError(f"Invalid signal: {text}", hint="As in TERM, SIGTERM or 15.")


def kill(root: str, container: Container, number: int) -> None:
    """Signal a container's first process; raises ContainerError unless it runs."""
    from lamina.runtime import syscalls

    found = state.see(root, container.id)
    pidfd = state.open_process(found.init) if found.is_running else None
    if pidfd is None:
        error = ContainerError(f"Container {container.name} is not running.")
        error.exit_code = 1
        raise error
    try:
        with contextlib.suppress(ProcessLookupError):
            syscalls.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def wait(root: str, identity: str, timeout: float | None = None) -> State | None:
    """Wait until a container has ended; None when `timeout` (s) is over before.

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
    until = time.monotonic() + _RECORDING
    while last.supervisor is not None and time.monotonic() < until:
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
    root: str, container: Container, patience: int | None = None, signal: str = ""
) -> None:
    """Ask a container to end, and kill it after `patience` seconds (-1: never).

    Nothing happens to one that does not run. The signal is the image's by default.
    """
    if not state.see(root, container.id).is_running:
        return
    if patience is None:
        chosen = container.options.stop_timeout
        patience = PATIENCE if chosen < 0 else chosen
    number = parse_signal(signal or container.config.stop_signal or "SIGTERM")
    with _ended_meanwhile():
        kill(root, container, number)
    limit = None if patience < 0 else float(patience)
    if wait(root, container.id, limit) is None:
        finish(root, container)


def finish(root: str, container: Container) -> None:
    """Kill a container and wait until its end is recorded."""
    with _ended_meanwhile():
        kill(root, container, 9)
    with contextlib.suppress(NoSuchContainer):
        wait(root, container.id)


@contextlib.contextmanager
def _ended_meanwhile() -> Iterator[None]:
    """What has ended by itself needs no signal."""
    try:
        yield
    except ContainerError as error:
        if isinstance(error, NoSuchContainer) or error.exit_code == 1:
            return
        raise


def rename(root: str, container: Container, name: str) -> None:
    """Give a container another name; raises ContainerError when that is in use."""
    from lamina.runtime import names

    wanted = names.check(name)
    with state.locked(root):
        current = state.load_container(root, container.id)
        if not state.claim_name(root, wanted, container.id):
            error = ContainerError(
                f'The container name "/{wanted}" is already in use by container '
                f'"{state.name_owner(root, wanted)[:12]}".'
            )
            error.exit_code = 1
            raise error
        place = state.directory(root, container.id)
        state.save_container(place, replace(current, name=wanted))
        state.release_name(root, current.name, container.id)
