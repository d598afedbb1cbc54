"""A service: what is run of each image, and how one container follows the other."""

from __future__ import annotations

from lamina.runtime.containers import volumes
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.runtime.containers.container import Overrides
    from lamina.runtime.containers.options import Options
    from lamina.runtime.network.ports import PortMapping

START_FIRST, STOP_FIRST = "start-first", "stop-first"


@value
class Service:
    """What is run of each image, and how one follows the other.

    `order` is START_FIRST, STOP_FIRST or "" for what the options make of it;
    `patience` is how long (s) a new one may take to become ready, `drain` how long an
    old one may take to finish what it was asked.
    """

    options: Options
    overrides: Overrides
    image_name: str
    name: str = ""
    order: str = ""
    patience: float = 30.0
    drain: float = 10.0


def gate_ports(config: ImageConfig, ports: tuple[PortMapping, ...]) -> tuple[int, ...]:
    """The TCP ports that have to answer: published ones, else exposed ones."""
    found = [m.container_port for m in ports if m.protocol == "tcp"]
    if not found:
        split = (text.partition("/") for text in config.exposed_ports)
        named = ((number, kind or "tcp") for number, _, kind in split)
        found = [int(n) for n, kind in named if n.isdecimal() and kind == "tcp"]
    return tuple(dict.fromkeys(found))


def stops_first(service: Service, config: ImageConfig) -> bool:
    """Whether the old one has to stop before the new one starts.

    Two databases on one volume destroy it; two servers have no room on one port of the
    host.
    """
    if service.order:
        return service.order == STOP_FIRST
    if service.options.network == "host":
        return True
    return any(
        volume.kind == volumes.VOLUME and volume.source and not volume.read_only
        for volume in volumes.of_container(service.options, config)
    )
