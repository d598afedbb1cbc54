"""Waiting for containers of a project: until they run, are healthy, or have done."""

from __future__ import annotations

import time

from lamina.runtime.containers import health, state
from lamina.runtime.errors import NoSuchContainer
from lamina.services.errors import ComposeError, Interrupted
from lamina.services.project import COMPLETED, HEALTHY, STARTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

    from lamina.runtime.containers.state import Container, State

# Between two looks, in seconds: a look takes 0.2 ms.
_PAUSE = 0.02


def wait_for(
    root: str,
    container: Container,
    condition: str,
    stopping: threading.Event,
    deadline: float | None = None,
) -> None:
    """Wait until a container is as `condition` (project.py) has it.

    `deadline` is by time.monotonic. Raises ComposeError when it will not be, or is not
    in time, and Interrupted once `stopping` is set.
    """
    while not _is(container, _seen(root, container), condition):
        if stopping.is_set():
            raise Interrupted()
        if deadline is not None and time.monotonic() > deadline:
            raise ComposeError(
                f"container {container.name} is not ready in time",
                hint=f"`lamina logs {container.name}` shows what it says.",
            )
        time.sleep(_PAUSE)


def wait_until_ready(
    root: str,
    container: Container,
    stopping: threading.Event,
    deadline: float | None = None,
) -> None:
    """Wait until it is healthy, or runs where it has no health check; as `wait_for`."""
    checked = health.check_of(container.config) is not None
    condition = HEALTHY if checked else STARTED
    wait_for(root, container, condition, stopping, deadline)


def _seen(root: str, container: Container) -> State:
    try:
        return state.see(root, container.id)
    except NoSuchContainer:
        raise ComposeError(f"container {container.name} was removed") from None


def _is(container: Container, found: State, condition: str) -> bool:
    """Whether it is so; raises ComposeError when it cannot become so."""
    if condition == COMPLETED:
        return _has_completed(container, found)
    if not found.is_active:
        raise ComposeError(
            f"container {container.name} exited ({found.exit_code})",
            hint=f"`lamina logs {container.name}` shows what it said.",
        )
    if condition != HEALTHY:
        return found.is_running
    if health.check_of(container.config) is None:
        raise ComposeError(
            f"container {container.name} has no healthcheck configured",
            hint="Give its service a `healthcheck`, or wait for `service_started`.",
        )
    now = (found.health or {}).get("status")
    if now == "unhealthy":
        raise ComposeError(
            f"container {container.name} is unhealthy",
            hint=f"`lamina inspect {container.name}` shows what its checks said.",
        )
    return bool(now == "healthy")


def _has_completed(container: Container, found: State) -> bool:
    if found.is_active or found.status == state.CREATED:
        return False
    if found.exit_code:
        raise ComposeError(
            f'service "{container.name}" didn\'t complete successfully: '
            f"exit {found.exit_code}",
            hint=f"`lamina logs {container.name}` shows what it said.",
        )
    return True
