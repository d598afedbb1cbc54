"""A process by its descriptor: its number, and the namespaces it is in."""

from __future__ import annotations

import os

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.namespaces import TYPES


def pid_of(pidfd: int) -> int:
    """The pid, as this process sees it, from the descriptor's fdinfo (proc(5))."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        for line in file:
            if line.startswith(b"Pid:"):
                return int(line[4:])
    return -1


def namespaces_of(pidfd: int) -> int:
    """Those namespaces of a process that are not ours: what to give to setns."""
    pid = pid_of(pidfd)
    flags = 0
    try:
        for _, name, flag in TYPES:
            if not os.path.exists(f"/proc/self/ns/{name}"):
                continue  # this kernel has none, as some are without time's
            if os.stat(f"/proc/{pid}/ns/{name}") != os.stat(f"/proc/self/ns/{name}"):
                flags |= flag
    except OSError as error:
        raise ContainerError(
            f"Cannot enter the container: {error.strerror}.",
            hint="It has ended, or it belongs to another user.",
        ) from error
    return flags
