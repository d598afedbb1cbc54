"""Ports of the host that are held for containers which take each other's place.

What a container wants may differ from what the one before it wanted (`-P`, and another
EXPOSE): a port that both want stays the same, and one that is new is bound before
anybody is led to it, so that who connects early waits.
"""

from __future__ import annotations

from lamina.runtime.network.listeners import bind
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from lamina.runtime.network.ports import PortMapping


@value
class HostPort:
    """A port as it was `wanted` (any, or one of a range), as it was got, and what holds
    it."""

    wanted: PortMapping
    mapping: PortMapping
    sockets: tuple[_socket.socket, ...]

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()


def hold(
    wanted: tuple[PortMapping, ...], held: tuple[HostPort, ...]
) -> tuple[HostPort, ...]:
    """What is wanted: of what is `held`, as far as that goes, and the rest bound.
    Raises NetworkError when a port is taken."""
    left = list(held)
    found: list[HostPort] = []
    bound: list[HostPort] = []
    try:
        for mapping in wanted:
            known = next((one for one in left if one.wanted == mapping), None)
            if known is not None:
                left.remove(known)
            else:
                got, sockets = bind(mapping)
                known = HostPort(mapping, got, tuple(sockets))
                bound.append(known)
            found.append(known)
    except BaseException:
        for port in bound:
            port.close()
        raise
    return tuple(found)
