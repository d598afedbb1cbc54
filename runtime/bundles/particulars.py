"""What is particular to a bundle's container, in the child that becomes it: its hooks,
its seccomp listener, and that it waits for `start`."""

from __future__ import annotations

import _socket
import os

from lamina.runtime import syscalls
from lamina.runtime.bundles import state
from lamina.runtime.bundles.filtering import seccomp_flags
from lamina.runtime.bundles.hooks import run_hooks
from lamina.runtime.bundles.listening import with_listener
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.mount_options import PROPAGATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.bundles.config import Config
    from lamina.runtime.bundles.listening import Listener
    from lamina.runtime.bundles.state import Record
    from lamina.runtime.isolation.assembly import Assembly


def arranging(
    config: Config,
    listener: _socket.socket,
    known: Record,
    trees: tuple[tuple[str, int], ...],
    calls: Listener | None,
) -> Callable[[Assembly], None]:
    """What is particular to this container, to be set in the child."""
    spec, hooks = config.spec, config.hooks
    flags = with_listener(seccomp_flags(config), calls)
    how, below = PROPAGATIONS.get(spec.propagation, (0, False))

    def before_root_is_entered(assembly: Assembly) -> None:
        # One that is shared cannot be entered.
        syscalls.mount_setattr(assembly.root, 0, propagation=syscalls.MS_SLAVE)
        if hooks.create_container:
            # A hook sees the host's files, and the container's at the root's path.
            syscalls.umount2("/sys", syscalls.MNT_DETACH)
            told = state.hook_state(known, state.CREATING, os.getpid())
            run_hooks("createContainer", hooks.create_container, told)

    def before_command() -> None:
        told = state.hook_state(known, state.CREATED, os.getpid())
        run_hooks("startContainer", hooks.start_container, told)

    def arrange(assembly: Assembly) -> None:
        assembly.seccomp_flags = flags
        if calls is not None:
            proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
            assembly.filter_loaded = calls.sender(state.CREATING, proc)
            os.close(proc)
            assembly.listener = calls.fd
        assembly.cgroups.trees = trees
        assembly.gate = lambda: _wait_for_start(listener)
        assembly.assembled = lambda: before_root_is_entered(assembly)
        if how:
            assembly.entered = lambda: syscalls.mount_setattr(
                assembly.root, 0, propagation=how, recursive=below
            )
        if hooks.create_container:
            assembly.site = config.root
        if hooks.start_container:
            assembly.before_command = before_command

    return arrange


def _wait_for_start(listener: _socket.socket) -> int:
    """Wait until `start` says so: the connection on which it hears what comes of it.

    Who only connects, to see whether somebody waits, says nothing.
    """
    while True:
        fd, _ = listener._accept()  # type: ignore[attr-defined]
        line = _socket.socket(fileno=fd)
        data, _ = wire.receive(line)
        if data == b"start":
            listener.detach()
            return line.detach()
        line.close()
