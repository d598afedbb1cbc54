"""The zygote's program: one thread, stdlib only, one clone3 for each container.

Started by zygote.py as `python -I -S` from a read-only clone of the interpreter
(CVE-2019-5736). It is PID 1 of a pid namespace, so that the kernel ends every
container when it ends, and it ends when its owner does: then nobody is left at the
other end of the request socket. After it has begun to serve, nothing is imported any
more: a container's files could be what an import finds.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import _socket
import errno
import gc
import os
import sys

from lamina.runtime import syscalls
from lamina.runtime.isolation import reaper, snapshot, wire
from lamina.runtime.isolation.execution import keep_only
from lamina.runtime.isolation.failures import not_permitted
from lamina.runtime.isolation.server import Server
from lamina.runtime.isolation.stage import leave_the_host, set_the_stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SIGKILL, _SIGSTOP, _SIGXFSZ = 9, 19, 25


def main(fd: int) -> None:
    """Serve the owner at the other end of `fd` until it is gone."""
    gc.disable()
    begin(fd, Server)


def begin(fd: int, make: Callable[[_socket.socket], Server]) -> None:
    """Set up this process as a zygote with the server that `make` gives, and serve.

    Where there is no more to be had of the machine it ends with a sentence.
    """
    said = b"out of memory"
    try:
        _begin(fd, make)
        return
    except MemoryError:
        pass
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        said = os.strerror(error.errno).encode()
    os.write(2, b"lamina: What keeps containers has ended: " + said + b".\n")
    os._exit(125)


def _begin(fd: int, make: Callable[[_socket.socket], Server]) -> None:
    # What Python, posix_spawn or the owner's shell ignores, a container would inherit.
    for number in range(1, 65):
        if number not in (_SIGKILL, _SIGSTOP):
            syscalls.default_signal(number)
    # A file larger than RLIMIT_FSIZE is an error then; exec makes it the default again.
    _signal.signal(_SIGXFSZ, lambda *_: None)
    syscalls.set_name("lamina-zygote")
    reaper.begin()
    # What the caller's own caller left open is not ours to hold.
    keep_only(0, 1, 2, fd)
    requests = _socket.socket(fileno=fd)
    data, cgroups = wire.receive(requests)
    if not data:
        return
    options = wire.load(data)
    server = make(requests)
    server.settle(options)
    try:
        _settle(options, cgroups)
    except OSError as error:
        server.broken = not_permitted(error)
    sys.path.clear()
    sys.meta_path.clear()
    # A collection would write to all objects, and each child would get copies.
    gc.freeze()
    server.serve()


def _settle(options: dict[str, Any], cgroups: list[int]) -> None:
    for cgroup in cgroups:
        os.write(cgroup, b"0")
        os.close(cgroup)
    # Also keeps a container from reading or writing the terminal it came from.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    try:  # noqa: SIM105 (contextlib costs the zygote's start 3 ms)
        syscalls.join_session_keyring()
    except OSError:
        pass  # no keys in this kernel, or the user's quota of keyrings is used up
    if cgroups:
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    if options["foreign"]:
        leave_the_host()
    else:
        set_the_stage(options["keep"])
    snapshot.use_method(options["overlay"])
    snapshot.needs_user_xattr()
