"""Who has a port: for the one error message where that is what one wants to know."""

from __future__ import annotations

import os

_LISTENING = "0A"


def user_of(protocol: str, port: int) -> str:
    """`nginx (pid 123)`, or "" when it cannot be seen (another user's process)."""
    sockets = _sockets(protocol, port)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
                    with open(f"/proc/{pid}/comm") as comm:
                        return f"{comm.read().strip()} (pid {pid})"
        except OSError:
            continue  # it ended, or is not ours to look into
    return ""


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
