"""Ports, as EXPOSE names them: `[[ip:]host-port:]port[-end][/protocol]`.

The rules are those of BuildKit's `dockerfile2llb/convert_expose.go`. An address and a
host's port have to be right, and mean nothing.
"""

from __future__ import annotations

from lamina.builder.errors import InvalidInstruction
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.lang.source import Span

PROTOCOLS = ("tcp", "udp", "sctp")


@value
class Ports:
    """The ports from `first` to `last` of a protocol."""

    protocol: str
    first: int
    last: int


def parse_ports(text: str, span: Span) -> Ports:
    """What one word of EXPOSE means; raises InvalidInstruction."""
    *host, container = text.split(":")
    numbers, _, protocol = container.partition("/")
    protocol = protocol.lower() or "tcp"
    found = _range(numbers)
    if found is None or protocol not in PROTOCOLS:
        raise _wrong(text, span, f"{text!r} is no port.")
    if host and host[-1]:
        there = _range(host[-1])
        if there is None:
            raise _wrong(text, span, f"{host[-1]!r} is no port of a host.")
        if found[0] < found[1] and there[1] - there[0] != found[1] - found[0]:
            raise _wrong(
                text, span, f"{host[-1]} and {numbers} are not equally many ports."
            )
    address = ":".join(host[:-1])
    if address and not _is_address(address):
        raise _wrong(text, span, f"{address!r} is no IP address.")
    return Ports(protocol, *found)


def _range(text: str) -> tuple[int, int] | None:
    """`80` or `80-90`."""
    ends = text.split("-")
    numbers = [
        int(end) for end in ends if end.isascii() and end.isdigit() and len(end) < 100
    ]
    low, high = (*numbers, *numbers)[:2] if numbers else (1, 0)
    whole = len(numbers) == len(ends) <= 2
    return (low, high) if whole and low <= high <= 65535 else None


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return not getattr(ip_address(text), "scope_id", None)
    except ValueError:
        return False


def _wrong(text: str, span: Span, message: str) -> InvalidInstruction:
    hint = "Write `8080`, `8080/udp` or a range `8000-8010`."
    if ":" in text:
        hint += " Where it is published is `run -p`'s."
    return InvalidInstruction(message, span, hint=hint)


def port_names(found: Iterable[Ports]) -> tuple[str, ...]:
    """`port/protocol` of each port once, in the order given.

    However often a recipe names the 65,536 ports of a protocol, each is looked at once:
    of those that are named already, the next that is not is known.
    """
    names = []
    behind: dict[str, dict[int, int]] = {}
    for ports in found:
        taken = behind.setdefault(ports.protocol, {})
        at = _free(taken, ports.first)
        while at <= ports.last:
            names.append(f"{at}/{ports.protocol}")
            taken[at] = at + 1
            at = _free(taken, at)
    return tuple(names)


def _free(taken: dict[int, int], at: int) -> int:
    """The first port from `at` on that is not taken; makes the way there shorter."""
    while at in taken:
        taken[at] = taken.get(taken[at], taken[at])
        at = taken[at]
    return at
