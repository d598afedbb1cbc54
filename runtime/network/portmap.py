"""The record of published ports: which host port leads where, on whose behalf.

One file per host port; of a port that is a group's, one for each member. The kernel's
map is made from the files again when somebody
flushed it, and what a killed process left there is found by them. Who writes holds
the network's lock.
"""

from __future__ import annotations

import os

from lamina.runtime.network.firewall import Element
from lamina.runtime.network.ports import PROTOCOLS
from lamina.runtime.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.runtime.network.ports import PortMapping


def elements(ports: Iterable[PortMapping], address: str) -> tuple[Element, ...]:
    """What the kernel is to know of ports that lead to `address`: IPv4."""
    return tuple(
        Element(
            mapping.host_ip,
            mapping.host_port,
            PROTOCOLS[mapping.protocol],
            address,
            mapping.container_port,
        )
        for mapping in ports
        if ":" not in mapping.host_ip
    )


def record(
    directory: str, element: Element, owner: Owner, shared: bool = False
) -> None:
    """Note that `owner` publishes `element`; it replaces whoever did before, unless it
    is `shared`."""
    path = os.path.join(directory, _name(element, shared))
    with open(path + ".new", "w") as file:
        file.write(f"{owner}{element.address} {element.port}\n")
    os.rename(path + ".new", path)


def forget(directory: str, element: Element, shared: bool = False) -> bool:
    """Strike the note; False when it was struck already."""
    try:
        os.unlink(os.path.join(directory, _name(element, shared)))
    except FileNotFoundError:
        return False
    return True


def living(directory: str, shared: bool = False) -> tuple[Element, ...]:
    """What living processes publish, each by itself or for a group."""
    return tuple(element for element, owner in _all(directory, shared) if owner.alive)


def stale(directory: str, shared: bool = False) -> tuple[Element, ...]:
    """What dead processes left."""
    found = _all(directory, shared)
    return tuple(element for element, owner in found if not owner.alive)


def clear(directory: str) -> None:
    """Strike everything."""
    for name in os.listdir(directory):
        os.unlink(os.path.join(directory, name))


def _all(directory: str, shared: bool) -> list[tuple[Element, Owner]]:
    found = []
    for name in sorted(os.listdir(directory)):
        if (name.count("-") > 2) is not shared:
            continue
        element, owner = _read(directory, name)
        if element is not None and owner is not None:
            found.append((element, owner))
    return found


def _name(element: Element, shared: bool) -> str:
    name = f"{element.protocol}-{element.host_ip or 'any'}-{element.host_port}"
    return f"{name}-{element.address}" if shared else name


def _read(directory: str, name: str) -> tuple[Element | None, Owner | None]:
    if name.endswith(".new"):
        return None, None
    try:
        with open(os.path.join(directory, name)) as file:
            owner, target = Owner.parse(file.readline()), file.readline()
    except FileNotFoundError:
        return None, None
    if owner is None or not target.endswith("\n"):
        return None, None
    protocol, host_ip, host_port = name.split("-")[:3]
    address, port = target.split()
    where = "" if host_ip == "any" else host_ip
    return Element(where, int(host_port), int(protocol), address, int(port)), owner
