"""What a keeper is handed with a container: data that marshal can carry, descriptors
by kind. keeper/given.py takes it.
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.containers import events, health, log_settings, stop
from lamina.runtime.isolation import wire
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping
    from typing import Any

    from lamina.runtime.containers.attached import Pipes
    from lamina.runtime.containers.joining import Joined
    from lamina.runtime.containers.state import Container
    from lamina.runtime.containers.uplink import Handed
    from lamina.runtime.isolation.namespaces import Membership
    from lamina.runtime.isolation.snapshot import Snapshot
    from lamina.runtime.isolation.zygote import Parts, Zygote
    from lamina.runtime.spec import Spec


@value
class Ready:
    """What a start is made of. `sources` are what its binds are of; `joined.memory`
    among them is a mount already."""

    spec: Spec
    snapshot: Snapshot
    sources: tuple[int, ...]
    lendable: tuple[tuple[str, int], ...]
    joined: Joined
    pipes: Pipes

    @property
    def memory_place(self) -> int:
        """Where the mount for /dev/shm is in `sources`; -1 where it has its own."""
        memory = self.joined.memory
        return self.sources.index(memory) if memory >= 0 else -1

    def trees(self) -> tuple[int, ...]:
        """Detached mounts of the sources; the caller's to close."""
        memory = self.joined.memory
        binds = [mount for mount in self.spec.mounts if mount.type == "bind"]
        return tuple(
            os.dup(source)
            if source == memory
            else syscalls.open_tree(source, recursive="bind" not in mount.options)
            for source, mount in zip(self.sources, binds, strict=True)
        )

    def volumes(self) -> tuple[tuple[str, int], ...]:
        """The volumes that are mounts, and where they are in `sources`."""
        return tuple((n, self.sources.index(fd)) for n, fd in self.lendable)


def described(root: str, container: Container) -> dict[str, Any]:
    """The container itself: what does not depend on the start."""
    options = container.options
    name, _, most = options.restart.partition(":")
    return {
        "id": container.id,
        "root": root,
        "name": container.name,
        "actor": events.described(container),
        "log": log_settings.settings(container),
        "terminal": options.terminal,
        "stdin": options.interactive,
        # A terminal has no end that one of its readers could cause.
        "once": options.interactive and not (options.detached or options.terminal),
        "remove": options.remove,
        "policy": (name, int(most or 0)),
        "stop": (stop.stop_signal(container), stop.patience_of(container)),
        "check": health.check_of(container.config),
    }


def launch(parts: Parts) -> dict[str, Any]:
    """The launch as it is planned, which a restart repeats."""
    return {
        "early": parts.early,
        "late": parts.late,
        "binds": tuple(tuple(mount.__dict__.values()) for mount in parts.plan.binds),
    }


def connection(handed: Handed) -> dict[str, Any]:
    """Its networks and ports, to serve and to give back."""
    return {
        "endpoints": handed.endpoints,
        "ports": handed.ports,
        "resolver": handed.resolver,
        "hub": handed.hub,
    }


def shared(ready: Ready, spaces: Membership, network: str) -> dict[str, Any]:
    """What it has of other containers, and may lend to them; `network` is the directory
    of the one whose network it shares, or ""."""
    lenders = dict(ready.joined.lenders)
    if network:
        lenders["network"] = network
    return {
        "lenders": tuple((kind, lenders.get(kind, "")) for kind, _ in spaces.joined),
        "volumes": ready.volumes(),
        "memory": (ready.memory_place, ready.joined.memory_of),
    }


def plain(given: Any) -> Any:
    """A state's fields as what marshal can carry."""
    if isinstance(given, tuple):
        return tuple(map(plain, given))
    if isinstance(given, dict):
        return {name: plain(inner) for name, inner in given.items()}
    return plain(dict(given.__dict__)) if hasattr(given, "__dict__") else given


def send(
    zygote: Zygote,
    pipes: Pipes,
    keep: dict[str, Any],
    fds: Mapping[str, tuple[int, ...]],
) -> _socket.socket:
    """Hand it over; our end of the line to the keeper. `fds` go in their order."""
    line, theirs = wire.pair()
    counts = {kind: len(given) for kind, given in fds.items()}
    request = {"op": "keep", "streams": pipes.streams, "keep": keep, "counts": counts}
    every = tuple(fd for given in fds.values() for fd in given)
    try:
        zygote.send(request, (theirs.fileno(), *pipes.theirs, *every))
    except BaseException:
        line.close()
        raise
    finally:
        theirs.close()
    return line
