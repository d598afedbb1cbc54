"""Readiness: when may a new container take over?

Where it has a health check, once that says so; else once its port answers; else when it
has lived for a moment.
"""

from __future__ import annotations

import _socket
import time

from lamina.runtime.containers.health import check_of
from lamina.runtime.containers.state import load_state
from lamina.runtime.errors import ContainerError, NoSuchContainer
from lamina.runtime.keeper.health import HEALTHY, UNHEALTHY
from lamina.runtime.network import netns
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Store
    from lamina.runtime.swap.replica import Replica

# How long a container without check and port has to live to count as ready.
_ALIVE = 0.2
# Once one port answers, the others get so long.
_OTHERS = 1.0
_SHORTEST, _LONGEST = 0.0005, 0.005
# How often a health check is run until it passes, in ns.
_EAGER = 100_000_000
# How long a connection may take that is accepted at all.
_DIAL = 1.0


class NotReady(ContainerError):
    """A container that ended, or did not answer in time."""

    exit_code = 1


@value
class Gate:
    """What is waited for: `ports` (TCP, the container's) and how long (seconds)."""

    ports: tuple[int, ...]
    patience: float


def eager(config: ImageConfig, patience: float) -> ImageConfig:
    """The same with a health check that is run again and again while it starts."""
    check = config.healthcheck
    if check is None or check_of(config) is None:
        return config
    period = max(check.start_period, int(patience * 1e9))
    interval = min(check.start_interval or _EAGER, _EAGER)
    check = replace(check, start_period=period, start_interval=interval)
    return replace(config, healthcheck=check)


def await_ready(
    store: Store, replica: Replica, gate: Gate, check: Callable[[], None]
) -> None:
    """Return once it may take over. Raises NotReady, and whatever `check` raises."""
    checked = check_of(replica.container.config) is not None
    ready = _Health(store, replica) if checked else _Answers(replica, gate.ports)
    until = replica.began + gate.patience
    pause = _SHORTEST
    while True:
        check()
        if replica.ended.is_set():
            text = f"ended with exit code {replica.exit_code} before it was ready"
            raise _not_ready(replica, f"The new container {text}.")
        if ready():
            return
        if time.monotonic() >= until:
            text = f"The new container {ready.missing} after {gate.patience:g} s."
            raise _not_ready(replica, text, ready.hint)
        replica.ended.wait(pause)
        pause = min(pause * 1.5, _LONGEST)


class _Health:
    """Whether the health check passed."""

    missing = "is not healthy"
    hint = "`--wait-timeout` says how long is waited."

    def __init__(self, store: Store, replica: Replica) -> None:
        self._store = store
        self._replica = replica

    def __call__(self) -> bool:
        try:
            found = load_state(self._store.root, self._replica.container.id).health
        except NoSuchContainer:
            return False
        status = (found or {}).get("status")
        if status == UNHEALTHY:
            raise _not_ready(self._replica, "The new container is unhealthy.")
        return status == HEALTHY


class _Answers:
    """Whether its ports answer, or it lives where it has none."""

    def __init__(self, replica: Replica, ports: tuple[int, ...]) -> None:
        self._replica = replica
        self._silent = list(ports)
        self._some = 0.0
        self.missing = f"does not answer on port {ports[0]}" if ports else "lives"
        self.hint = (
            "Does its program listen on 0.0.0.0, and not on 127.0.0.1 alone? "
            "`--wait-timeout` says how long is waited."
        )

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._silent and not self._some:
            return now >= self._replica.began + _ALIVE
        for port in tuple(self._silent):
            if _answers(self._replica, port):
                self._silent.remove(port)
                self._some = self._some or now
        return bool(self._some) and (not self._silent or now > self._some + _OTHERS)


def _answers(replica: Replica, port: int) -> bool:
    """Whether something accepts connections there; dialled from the inside."""

    def dial() -> bool:
        socket = _socket.socket(_socket.AF_INET, _KIND)
        try:
            socket.settimeout(_DIAL)
            code: int = socket.connect_ex((address, port))
        finally:
            socket.close()
        return code == 0

    place = replica.place
    address = place.address if place is not None else "127.0.0.1"
    try:
        return dial() if place is None else netns.inside(place.namespace, dial)
    except OSError:
        return False


_KIND = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC


def _not_ready(replica: Replica, text: str, hint: str = "") -> NotReady:
    """The error, with what the container wrote last."""
    error = NotReady(text, hint=hint)
    lines = [line.decode(errors="replace") for line in replica.last_lines()]
    error.excerpt = "\n".join(f"  | {line.rstrip()}" for line in lines)
    return error
