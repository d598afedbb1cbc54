"""Published ports as people write them: Docker's grammar of `-p`.

    [[HOST_IP:][HOST_PORT]:]PORT[/PROTOCOL]

Ports may be ranges of the same length (`8000-8003:80-83`); a range of host ports
for one port means any free one of them; no host port means any free port. An IPv6
address is written in brackets. (moby, docs "docker container run", --publish.)
"""

from __future__ import annotations

import _socket

from lamina.runtime.errors import NetworkError
from lamina.values import value

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}

_HINT = "Write it as [[HOST_IP:]HOST_PORT:]PORT[/tcp|udp], such as -p 8080:80."


@value
class PortMapping:
    """A host port that leads to a container's port.

    `host_ip` "" is every address of the host; `host_port` 0 is any free port;
    `host_last` is the end of a range of which any free port will do.
    """

    host_ip: str
    host_port: int
    container_port: int
    protocol: str = "tcp"
    host_last: int = 0

    @property
    def is_definite(self) -> bool:
        """Whether one certain host port is asked for."""
        return bool(self.host_port) and self.host_last <= self.host_port

    def __str__(self) -> str:
        """As `ps` shows it."""
        ip = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip or "0.0.0.0"
        port = f"{self.host_port}"
        if self.host_last > self.host_port:
            port += f"-{self.host_last}"
        return f"{ip}:{port}->{self.container_port}/{self.protocol}"


def parse_port(text: str) -> tuple[PortMapping, ...]:
    """The mappings that one `-p` asks for; raises NetworkError."""
    where, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise _bad(text, f"there is no protocol {protocol!r}")
    host_ip, host, container = _split(text, where)
    first, last = _range(text, container, "container port")
    host_first, host_last = _range(text, host, "host port") if host else (0, 0)
    if first == last:
        end = host_last if host_last > host_first else 0
        return (PortMapping(host_ip, host_first, first, protocol, end),)
    if host and host_last - host_first != last - first:
        raise _bad(text, "the two ranges are not of the same length")
    return tuple(
        PortMapping(host_ip, host_first + i if host else 0, first + i, protocol)
        for i in range(last - first + 1)
    )


def _split(text: str, where: str) -> tuple[str, str, str]:
    """Host address, host port, container port; the first two may be ""."""
    address, bracket, rest = where.rpartition("]")
    if bracket:
        if not address.startswith("[") or not rest.startswith(":"):
            raise _bad(text, "brackets go around an IPv6 address, and a port follows")
        parts = [address[1:], *rest[1:].split(":")]
        if not address[1:]:
            raise _bad(text, "the brackets hold no address")
    else:
        parts = where.split(":")
    if len(parts) > 3:
        raise _bad(text, "it has too many parts (an IPv6 address goes in brackets)")
    if bracket and len(parts) == 2:
        parts.insert(1, "")
    host_ip, host, container = ["", "", *parts][-3:]
    return _address(text, host_ip), host, container


def _address(text: str, host_ip: str) -> str:
    """A canonical address; 0.0.0.0 is every address."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            packed = _socket.inet_pton(family, host_ip)
        except (OSError, UnicodeEncodeError):
            continue
        return "" if packed == bytes(4) else _socket.inet_ntop(family, packed)
    if host_ip:
        raise _bad(text, f"{host_ip!r} is not an IP address")
    return ""


def _range(text: str, ports: str, what: str) -> tuple[int, int]:
    """`80` or `80-90`."""
    low, dash, high = ports.partition("-")
    numbers = []
    for port in (low, high) if dash else (low, low):
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise _bad(text, f"{port!r} is no {what}" if port else f"it has no {what}")
        numbers.append(int(port))
    if numbers[0] > numbers[1]:
        raise _bad(text, f"the range {ports} runs backwards")
    return numbers[0], numbers[1]


def _bad(text: str, why: str) -> NetworkError:
    return NetworkError(f"Cannot publish {text!r}: {why}.", hint=_HINT)
