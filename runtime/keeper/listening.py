"""Whether a container listens: on what others on its network can reach.

The kernel's tables, proc_net_tcp: addresses are hexadecimal, in the machine's order.
"""

from __future__ import annotations

import sys

_LISTENING = b"0A"
# Ports from here on are given to clients (ip-sysctl.rst, ip_local_port_range).
_CLIENTS = 32768
_LOOPBACK6 = (1).to_bytes(16, "big")


def listens(pid: int) -> bool:
    """Whether somebody in the network namespace of a process listens, for connections
    or datagrams, other than on its loopback."""
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        try:
            with open(f"/proc/{pid}/net/{kind}", "rb", buffering=0) as file:
                table = file.read(1 << 20)
        except OSError:
            continue  # it has ended, or there is no IPv6
        for line in table.splitlines()[1:]:
            local, remote, status = line.split()[1:4]
            address, _, port = local.partition(b":")
            if _is_loopback(address):
                continue
            if kind[:3] == "tcp":
                found = status == _LISTENING
            else:
                unconnected = not remote.strip(b"0:")
                found = unconnected and int(port, 16) < _CLIENTS
            if found:
                return True
    return False


def _is_loopback(text: bytes) -> bool:
    """Of an address in the machine's order, word by word."""
    words = [
        int(text[at : at + 8], 16).to_bytes(4, sys.byteorder)
        for at in range(0, len(text), 8)
    ]
    packed = b"".join(words)
    return packed == _LOOPBACK6 or (len(packed) == 4 and packed[0] == 127)
