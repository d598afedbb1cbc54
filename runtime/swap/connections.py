"""Open connections of a container, as the kernel lists them (proc_net(5), tcp)."""

from __future__ import annotations

from lamina.runtime.network import netns, tcp_sockets

# include/net/tcp_states.h: all in which the other side may still be answered.
# ESTABLISHED, SYN_RECV, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING
_OPEN = frozenset((b"01", b"03", b"04", b"05", b"08", b"09", b"0B"))


def open_connections(pid: int, ports: frozenset[int]) -> int:
    """How many connections to `ports` are open in the network of process `pid`."""
    wanted = frozenset(b"%04X" % port for port in ports)
    found = 0
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{name}", "rb") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split(None, 4)
            found += words[3] in _OPEN and words[1].rpartition(b":")[2] in wanted
    return found


# A connection on which nothing moves for so long (s) is not about to be asked anything.
_PAUSE = 0.05
# One that rests for so long is kept by a browser for later; who asked again within a
# grain of the kernel's clock (4 ms) and still waits may be taken for one.
_KEPT_ALIVE = 1.0


def busy_connections(namespace: int, ports: frozenset[int]) -> int:
    """On how many connections somebody waits for an answer, in a network namespace; on
    those that are new, or just had one, somebody may."""
    found = netns.inside(namespace, lambda: tcp_sockets.connections(ports))
    return sum(one.rests < _PAUSE for one in found)


def end_kept_alive(namespace: int, ports: frozenset[int]) -> int:
    """Reset the connections that a browser keeps for its next request, so that it comes
    by another one: how many there were."""

    def end() -> int:
        found = tcp_sockets.connections(ports)
        return tcp_sockets.abort(one for one in found if one.rests >= _KEPT_ALIVE)

    return netns.inside(namespace, end)
