"""Who has a port: for the one error message where that is what one wants to know."""

from __future__ import annotations

import os

from lamina.runtime import addresses
from lamina.runtime.network_state import STATE_DIR, network_of

_LISTENING = "0A"


def user_of(protocol: str, port: int, state_dir: str = STATE_DIR) -> str:
    """`container 0123456789ab` or `nginx (pid 123)`.

    It is "" when it cannot be seen, for another user's processes cannot.
    """
    pid = _process(protocol, port)
    if not pid:
        return ""
    leases = network_of(state_dir).leases
    readable = os.access(leases, os.R_OK | os.X_OK)  # not by an ordinary user
    for owner in addresses.leases(leases).values() if readable else ():
        if owner.pid == pid:
            return f"container {owner.name[:12]}"
    try:
        with open(f"/proc/{pid}/comm") as comm:
            return f"{comm.read().strip()} (pid {pid})"
    except OSError:
        return ""  # it ended just now


def _process(protocol: str, port: int) -> int:
    """The pid of a process that has a socket on the port open, or 0."""
    sockets = _sockets(protocol, port)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
                    return int(pid)
        except OSError:
            continue  # it ended, or is not ours to look into
    return 0


def _sockets(protocol: str, port: int) -> set[str]:
    """The sockets bound to the port, as /proc/PID/fd names them."""
    found = set()
    for table in (protocol, protocol + "6"):
        try:
            with open(f"/proc/thread-self/net/{table}") as lines:
                rows = [line.split() for line in lines][1:]
        except FileNotFoundError:
            continue
        for row in rows:
            listens = protocol != "tcp" or row[3] == _LISTENING
            if listens and int(row[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{row[9]}]")
    return found
