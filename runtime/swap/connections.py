"""Open connections of a container, as the kernel lists them (proc_net(5), tcp)."""

from __future__ import annotations

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
