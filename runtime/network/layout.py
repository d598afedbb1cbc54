"""Layout: what a user's network is made as, and what of it lies in its directory.

<state_dir>/layout      one `field value` a line, while the machine is up
"""

from __future__ import annotations

import _socket
import os

from lamina.runtime.network.addresses import Subnet, number
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@value
class Layout:
    """Addresses and rules of a network.

    `pool` is the part of the subnet that is given out by itself ("" = all of it),
    `reserved` what is not; `subnet6` is "" without IPv6; `mtu` 0 is that of the way
    out. `internal`: nothing goes in or out; `icc`: containers reach each other;
    `host_ip` is where ports are published by default.
    """

    subnet: str
    gateway: str
    pool: str = ""
    reserved: tuple[str, ...] = ()
    subnet6: str = ""
    gateway6: str = ""
    mtu: int = 0
    internal: bool = False
    icc: bool = True
    masquerade: bool = True
    bridge: str = ""
    host_ip: str = ""

    @property
    def size(self) -> Subnet:
        return Subnet.parse(self.subnet)

    @property
    def prefix6(self) -> int:
        return int(self.subnet6.partition("/")[2] or 0)

    def address6(self, address: str) -> str:
        """The IPv6 address that goes with an IPv4 one: as far into its subnet."""
        if not self.subnet6:
            return ""
        base = _socket.inet_pton(_socket.AF_INET6, self.subnet6.partition("/")[0])
        host = number(address) - self.size.first
        there = int.from_bytes(base, "big") + host
        return _socket.inet_ntop(_socket.AF_INET6, there.to_bytes(16, "big"))

    def holds6(self, address: str) -> bool:
        """Whether an IPv6 address is one of the network's."""
        if not self.subnet6:
            return False
        first, _, length = self.subnet6.partition("/")
        shift = 128 - int(length)
        numbers = (
            int.from_bytes(_socket.inet_pton(_socket.AF_INET6, text), "big") >> shift
            for text in (first, address)
        )
        return len(set(numbers)) == 1

    def text(self) -> str:
        """As `parse` reads it."""
        fields = {**self.__dict__, "reserved": ",".join(self.reserved)}
        return "".join(f"{name} {given}\n" for name, given in fields.items())


def parse(text: str) -> Layout | None:
    """What `text()` gave; None for what was cut short."""
    if not text.endswith("\n"):
        return None
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, given = line.partition(" ")
        fields[name] = given
    return of_fields(fields)


def of_fields(fields: Mapping[str, str]) -> Layout | None:
    """A layout whose fields are texts."""
    try:
        return Layout(
            subnet=fields["subnet"],
            gateway=fields["gateway"],
            pool=fields["pool"],
            reserved=tuple(filter(None, fields["reserved"].split(","))),
            subnet6=fields["subnet6"],
            gateway6=fields["gateway6"],
            mtu=int(fields["mtu"]),
            internal=fields["internal"] == "True",
            icc=fields["icc"] == "True",
            masquerade=fields["masquerade"] == "True",
            bridge=fields["bridge"],
            host_ip=fields["host_ip"],
        )
    except (KeyError, ValueError):
        return None


def read(directory: str) -> Layout | None:
    """The layout that lies in a network's directory."""
    try:
        with open(os.path.join(directory, "layout")) as file:
            return parse(file.read())
    except FileNotFoundError:
        return None


def write(directory: str, layout: Layout) -> None:
    """Put a layout into a network's directory, whole; makes the directory."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, "layout")
    with open(f"{path}.{os.getpid()}", "w") as file:
        file.write(layout.text())
    os.rename(file.name, path)
