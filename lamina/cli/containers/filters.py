"""`--filter` of `ps`: which containers are meant (moby, daemon/list.go)."""

from __future__ import annotations

import re

from lamina.cli.formats.labels import filter_pairs, has_label, truth
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.network.ports import PortMapping

    # Whether a container passes a filter with this value.
    Test = Callable[["Seen", str], bool]

_HEALTH = ("starting", "healthy", "unhealthy", "none")
_STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")


@value
class Seen:
    """A container that a filter looks at."""

    store: Store
    container: Container
    state: State


def parse_filters(texts: list[str]) -> list[tuple[str, str]]:
    """`--filter` as (kind, value); raises LaminaError for what there is not."""
    filters = []
    for key, wanted in filter_pairs(texts, ", ".join(_TESTS)):
        if key not in _TESTS:
            raise LaminaError(f"Invalid filter {key!r}.", hint=", ".join(_TESTS))
        if key == "status" and wanted not in _STATUSES:
            raise LaminaError(f"Invalid status {wanted!r}.", hint=", ".join(_STATUSES))
        if key == "health" and wanted not in _HEALTH:
            raise LaminaError(f"Invalid health {wanted!r}.", hint=", ".join(_HEALTH))
        if key == "is-task":
            truth(wanted, key)
        if key == "exited" and not wanted.lstrip("-").isdecimal():
            raise LaminaError(f"Invalid exit code {wanted!r}.", hint="A number.")
        filters.append((key, wanted))
    return filters


def matches(
    store: Store, container: Container, state: State, filters: list[tuple[str, str]]
) -> bool:
    """Whether a container passes `--filter`: all kinds, any of one kind.

    Raises NoSuchContainer for one that it is compared with.
    """
    seen = Seen(store, container, state)
    kinds: dict[str, bool] = {}
    for key, wanted in filters:
        # Labels are the one kind of which all have to match.
        found = _TESTS[key](seen, wanted)
        before = kinds.get(key, key == "label")
        kinds[key] = (before and found) if key == "label" else (before or found)
    return all(kinds.values())


def _is_named(seen: Seen, wanted: str) -> bool:
    name = seen.container.name
    return _found(wanted, name) or _found(wanted, f"/{name}")


def _found(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern == text


def _descends(seen: Seen, wanted: str) -> bool:
    """Whether it is of that image, or of one that was built on it."""
    identity = seen.store.resolve_id(wanted)
    if identity is None or identity == seen.container.image:
        return identity is not None
    below = tuple(map(str, seen.store.image(identity).layers))
    layers = seen.container.layers
    return 0 < len(below) < len(layers) and layers[: len(below)] == below


def _is_older(seen: Seen, wanted: str) -> bool:
    return seen.container.created < _created(seen, wanted)


def _is_younger(seen: Seen, wanted: str) -> bool:
    return seen.container.created > _created(seen, wanted)


def _created(seen: Seen, name: str) -> int:
    from lamina.cli.containers.finding import find

    return find(seen.store, name).created


def _has_volume(seen: Seen, wanted: str) -> bool:
    """A volume's name, or a place in the container or on the host."""
    from lamina.runtime.containers.volume_users import mounted

    volumes = mounted(seen.store.root, seen.container)
    place = wanted.rstrip("/") or "/"
    return any(place in (v.source, v.destination.rstrip("/")) for v in volumes)


def _has_network(seen: Seen, wanted: str) -> bool:
    from lamina.runtime.containers.endpoints import names_of

    return wanted in names_of(seen.container.options)


def _publishes(seen: Seen, wanted: str) -> bool:
    """Whether a port of the host is the container's, or is to be when it starts."""
    ports = _ports(wanted)
    asked = {(one.host_port, one.protocol) for one in _mappings(seen)}
    found = (text.partition("->") for text in seen.state.ports)
    held = {
        (int(host.rpartition(":")[2]), inside.rpartition("/")[2])
        for host, _, inside in found
    }
    return bool(ports & (asked | held))


def _exposes(seen: Seen, wanted: str) -> bool:
    ports = _ports(wanted)
    published = {(one.container_port, one.protocol) for one in _mappings(seen)}
    exposed = seen.container.config.exposed_ports
    return bool(ports & published) or any(_ports(text) & ports for text in exposed)


def _mappings(seen: Seen) -> list[PortMapping]:
    from lamina.runtime.network.ports import parse_port

    return [one for text in seen.container.options.publish for one in parse_port(text)]


def _ports(text: str) -> frozenset[tuple[int, str]]:
    """`80`, `80/udp`, `80-90`; raises LaminaError."""
    numbers, _, protocol = text.partition("/")
    first, dash, last = numbers.partition("-")
    try:
        found = range(int(first), int(last if dash else first) + 1)
    except ValueError:
        raise LaminaError(f"Invalid port {text!r}.", hint="As in 80/tcp.") from None
    return frozenset((port, protocol or "tcp") for port in found)


_TESTS: dict[str, Test] = {
    "name": _is_named,
    "id": lambda seen, wanted: _found(wanted, seen.container.id),
    "status": lambda seen, wanted: seen.state.status == wanted,
    "exited": lambda seen, wanted: (
        seen.state.status == "exited" and seen.state.exit_code == int(wanted)
    ),
    "label": lambda seen, wanted: has_label(seen.container.config.labels, wanted),
    "health": lambda seen, wanted: (
        (seen.state.health["status"] if seen.state.health else "none") == wanted
    ),
    "ancestor": _descends,
    "before": _is_older,
    "since": _is_younger,
    "volume": _has_volume,
    "network": _has_network,
    "publish": _publishes,
    "expose": _exposes,
    "is-task": lambda _, wanted: not truth(wanted, "is-task"),
}
