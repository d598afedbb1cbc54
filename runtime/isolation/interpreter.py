"""A Python of our own to start the zygote with: sealed, bare, alone in its session."""

from __future__ import annotations

import fcntl
import os
import sys

import lamina
from lamina.runtime import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# The packages that a program imports from.
_PACKAGES = (
    *("lamina", "lamina.oci", "lamina.runtime", "lamina.runtime.isolation"),
    *("lamina.runtime.cgroups", "lamina.runtime.network", "lamina.runtime.keeper"),
    "lamina.runtime.bundles",
)

# The packages' own __init__ files are not run: an import costs, and can go wrong.
_PROGRAM = """
import sys
for name, path in zip(sys.argv[2::2], sys.argv[3::2]):
    sys.modules[name] = module = type(sys)(name)
    module.__path__ = [path]
from {module} import main
main(int(sys.argv[1]))
"""
# The same for a program that gets the caller's arguments, after an empty one.
_BECOME = """
import sys
end = sys.argv.index("")
for name, path in zip(sys.argv[1:end:2], sys.argv[2:end:2]):
    sys.modules[name] = module = type(sys)(name)
    module.__path__ = [path]
from {module} import sealed_main
sealed_main(sys.argv[end + 1:])
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


def spawn_interpreter(program: int, requests: int, module: str) -> int:
    """Start a zygote with its end of the request socket: its pid.

    `program` is the interpreter's file, `module` has the zygote's `main`.
    """
    name = os.path.realpath(sys.executable)
    code = _PROGRAM.replace("{module}", module)
    options = ("-I", "-S", "-X", "utf8", "-c", code)
    null = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0)
    return os.posix_spawn(
        f"/proc/self/fd/{program}",
        (name, *options, str(_REQUESTS), *packages()),
        {},
        file_actions=(
            (os.POSIX_SPAWN_DUP2, requests, _REQUESTS),
            null,
            (os.POSIX_SPAWN_DUP2, 0, 1),
        ),
        setsid=True,
        setsigmask=(),
    )


def become_sealed(module: str, argv: list[str], beside: str = "") -> NoReturn:
    """Go on as `sealed_main(argv)` of a module, in a sealed interpreter.

    It is the same process, with the same descriptors and environment. `beside` is one
    more package that it may import from, where that is installed.
    """
    program = sealed_interpreter()
    name = os.path.realpath(sys.executable)
    code = _BECOME.replace("{module}", module)
    options = ("-I", "-S", "-X", "utf8", "-c", code)
    os.execve(
        f"/proc/self/fd/{program}",
        (name, *options, *packages(), *_installed(beside), "", *argv),
        os.environ,
    )


def _installed(name: str) -> tuple[str, ...]:
    """A package of somebody else's, and its folder."""
    for place in sys.path if name else ():
        if os.path.isfile(f"{place}/{name}/__init__.py"):
            return name, f"{place}/{name}"
    return ()


def packages() -> tuple[str, ...]:
    """Each package and its folder, one after the other."""
    top = os.path.realpath(lamina.__path__[0])
    found: list[str] = []
    for name in _PACKAGES:
        place = f"{top}/{'/'.join(name.split('.')[1:])}".rstrip("/")
        found += (name, os.path.realpath(place))
    return tuple(found)
