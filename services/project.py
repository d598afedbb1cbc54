"""A project as it is to be: its services, networks and volumes, frozen.

What a compose file says of a service is kept as its canonical mapping (`keys`), since
most of it goes straight to the container (containers.py); what decides when and how
containers are made has fields here.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"

STOP_FIRST, START_FIRST = "stop-first", "start-first"


@value
class Dependency:
    """What a service waits for: `condition` is STARTED, HEALTHY or COMPLETED.

    `restart`: it is restarted when that one is made anew, and with `shares`, as it has
    namespaces of that one's container, made anew as well; without `required` it starts
    without it, too.
    """

    service: str
    condition: str = STARTED
    required: bool = True
    restart: bool = False
    shares: bool = False


@value
class Update:
    """How containers give way to new ones: `order` is STOP_FIRST or START_FIRST,
    `parallelism` how many at a time (0: all), `delay` between them in seconds."""

    order: str = STOP_FIRST
    parallelism: int = 0
    delay: float = 0.0


@value
class Service:
    """A service. `image` is a name, that of what is built where nothing else is said;
    `build` are the keys of its build, {} where it is only pulled.

    `scale` is the number of containers; `grouped`: they share one address (a group of
    runtime/network). `hash` changes with whatever its containers are made of.
    """

    name: str
    image: str
    keys: Mapping[str, Any]
    hash: str
    build: Mapping[str, Any]
    pull_policy: str = ""
    scale: int = 1
    container_name: str = ""
    depends_on: tuple[Dependency, ...] = ()
    profiles: tuple[str, ...] = ()
    update: Update = Update()
    grouped: bool = True
    attach: bool = True

    def container(self, project: str, number: int) -> str:
        """What its container of that number is called."""
        return self.container_name or f"{project}-{self.name}-{number}"


@value
class Network:
    """A network: `key` is what services call it, `name` what the store does.

    `external`: it is made, and removed, by others. `keys` are those of the file.
    """

    key: str
    name: str
    external: bool
    keys: Mapping[str, Any]


@value
class Volume:
    """A volume, as Network."""

    key: str
    name: str
    external: bool
    keys: Mapping[str, Any]


@value
class Project:
    """`folder` is absolute, `files` the compose files, `read` all that it is from;
    `services` in order of names, all of them, wanted or not. `secrets` and `configs`
    are the file's, by their keys.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    services: tuple[Service, ...]
    networks: tuple[Network, ...]
    volumes: tuple[Volume, ...]
    secrets: Mapping[str, Any]
    configs: Mapping[str, Any]
    profiles: tuple[str, ...] = ()
    read: tuple[str, ...] = ()

    def service(self, name: str) -> Service | None:
        """The service of that name, or None."""
        return next((one for one in self.services if one.name == name), None)

    def network(self, key: str) -> Network:
        """The network that services call `key`; KeyError."""
        return next_of(self.networks, key)

    def volume(self, key: str) -> Volume | None:
        """The volume that services call `key`, or None."""
        return next((one for one in self.volumes if one.key == key), None)


def next_of(networks: Iterable[Network], key: str) -> Network:
    """The one of that key; KeyError, which the reader of the file has ruled out."""
    for network in networks:
        if network.key == key:
            return network
    raise KeyError(key)
