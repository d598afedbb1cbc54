"""Ports, as EXPOSE names them."""

from __future__ import annotations

from lamina.builder.errors import InvalidInstruction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.source import Span


def ports(text: str, span: Span) -> list[str]:
    """`[ip:][host:]port[-end][/proto]` as `port/proto`, one for each of a range."""
    numbers, _, protocol = text.rpartition(":")[2].partition("/")
    protocol = protocol.lower() or "tcp"
    first, _, last = numbers.partition("-")
    valid = first.isdigit() and (not last or last.isdigit())
    low, high = (int(first), int(last or first)) if valid else (1, 0)
    if not 0 <= low <= high <= 65535 or protocol not in ("tcp", "udp", "sctp"):
        raise InvalidInstruction(
            f"{text!r} is no port.",
            span,
            hint="Write `8080`, `8080/udp` or a range `8000-8010`.",
        )
    return [f"{port}/{protocol}" for port in range(low, high + 1)]
