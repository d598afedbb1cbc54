"""The short form of published ports."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPEC = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]*\]|.*):)?(?P<host>[0-9-]*):)?(?P<target>[0-9-]+)"
    r"(?:/(?P<protocol>[^/]+))?"
)
# Of a longer text, the pattern would take long.
_LONGEST = 200
_MOST_AT_ONCE = 10_000
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
PROTOCOLS = ("tcp", "udp", "sctp")


class InvalidPort(Exception):
    """Why a text says no ports."""


def parse_ports(spec: str) -> list[dict[str, Any]]:
    """The long forms of `[[IP:][HOST]:]PORT[-LAST][/PROTOCOL]`.

    Raises InvalidPort.
    """
    found = _SPEC.fullmatch(spec) if len(spec) < _LONGEST else None
    if not found:
        raise InvalidPort("It is no `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.")
    protocol = (found["protocol"] or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidPort(f"There is no protocol {protocol!r}.")
    first, last = port_range(found["target"])
    if last - first >= _MOST_AT_ONCE:
        raise InvalidPort(f"It is a range of more than {_MOST_AT_ONCE:,} ports.")
    common: dict[str, Any] = {"mode": "ingress"}
    if found["ip"]:
        common["host_ip"] = address(found["ip"])
    targets = range(first, last + 1)
    published = _published(found["host"] or "", targets)
    ports = []
    for target, host in zip(targets, published, strict=True):
        port = {**common, "target": target}
        if host:
            port["published"] = host
        ports.append({**port, "protocol": protocol})
    return ports


def _published(host: str, targets: range) -> list[str]:
    if not host:
        return [""] * len(targets)
    first, last = port_range(host)
    hosts = range(first, last + 1)
    if len(hosts) == len(targets):
        return [str(port) for port in hosts]
    if len(targets) == 1:
        return [host]
    raise InvalidPort("The ranges are not of one length.")


def port_range(text: str) -> tuple[int, int]:
    """First and last of `80` or `80-85`. Raises InvalidPort."""
    found = _RANGE.fullmatch(text)
    if not found:
        raise InvalidPort(f"{text!r} is no port.")
    first = int(found[1])
    last = int(found[2]) if found[2] else first
    if last > 65535:
        raise InvalidPort(f"Ports end with 65535, and {last} is more.")
    if last < first:
        raise InvalidPort(f"The range {text} ends before it begins.")
    return first, last


def address(text: str) -> str:
    """An address without the brackets of IPv6. Raises InvalidPort."""
    import ipaddress

    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        raise InvalidPort(f"{bare!r} is no address of this machine.") from None
    return bare
