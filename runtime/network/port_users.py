"""Who has a port: for the one error message where that is what one wants to know."""

from __future__ import annotations

import os

from lamina.runtime.network import addresses
from lamina.runtime.network.network_state import NETWORKS, STATE_DIR, network_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.owner import Owner

_LISTENING = "0A"


def user_of(protocol: str, port: int, state_dir: str = STATE_DIR) -> str:
    """`container 0123456789ab` or `nginx (pid 123)`.

    It is "" when it cannot be seen, for another user's processes cannot.
    """
    pid = _process(protocol, port)
    if not pid:
        return ""
    for place in (state_dir, *_others()):
        for owner in _holders(place):
            if owner.pid == pid:
                return f"container {owner.name[:12]}"
    try:
        with open(f"/proc/{pid}/comm") as comm:
            return f"{comm.read().strip()} (pid {pid})"
    except OSError:
        return ""  # it ended just now


def _holders(place: str) -> tuple[Owner, ...]:
    """Who has an address of a network; nobody where an ordinary user may not see it."""
    try:
        leases = network_of(place).leases
        readable = os.access(leases, os.R_OK | os.X_OK)
        return tuple(addresses.leases(leases).values()) if readable else ()
    except PermissionError:
        return ()


def _others() -> list[str]:
    """The directories of networks that users made."""
    try:
        return [os.path.join(NETWORKS, name) for name in os.listdir(NETWORKS)]
    except OSError:
        return []


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
