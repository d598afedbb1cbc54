"""A Python of our own to start the zygote with: sealed, bare, alone in its session."""

from __future__ import annotations

import fcntl
import os
import sys

import lamina
import lamina.runtime
from lamina.runtime import syscalls

# The packages' own __init__ files are not run: an import costs, and can go wrong.
_PROGRAM = """
import sys
for name, path in zip(("lamina", "lamina.runtime"), sys.argv[2:]):
    sys.modules[name] = module = type(sys)(name)
    module.__path__ = [path]
from lamina.runtime.init import main
main(int(sys.argv[1]))
"""
# Where the zygote finds its request socket.
_REQUESTS = 3


def sealed_interpreter() -> int:
    """The interpreter's file on a read-only mount that nobody can make writable.

    A container that executes /proc/self/exe can open it, but not write it. The
    descriptor is none of those that the zygote's own are put on.
    """
    fd = syscalls.open_tree(os.path.realpath(sys.executable), recursive=False)
    try:
        syscalls.mount_setattr(fd, syscalls.MOUNT_ATTR_RDONLY)
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _REQUESTS + 1)
    finally:
        os.close(fd)


def spawn_interpreter(program: int, requests: int) -> int:
    """Start the zygote's program with its end of the request socket; its pid."""
    name = os.path.realpath(sys.executable)
    paths = (lamina.__path__[0], lamina.runtime.__path__[0])
    options = ("-I", "-S", "-X", "utf8", "-c", _PROGRAM)
    null = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0)
    return os.posix_spawn(
        f"/proc/self/fd/{program}",
        (name, *options, str(_REQUESTS), *(os.path.realpath(p) for p in paths)),
        {},
        file_actions=(
            (os.POSIX_SPAWN_DUP2, requests, _REQUESTS),
            null,
            (os.POSIX_SPAWN_DUP2, 0, 1),
        ),
        setsid=True,
        setsigmask=(),
    )
