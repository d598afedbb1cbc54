"""What is done with a container that was created: start, kill, pause, delete.

runtime-spec, runtime.md, Operations. The words of some errors are runc's, because
engines look for them: containerd for "container does not exist" and "not running".
"""

from __future__ import annotations

import _socket
import os
import time

from lamina.runtime import syscalls
from lamina.runtime.bundles import state
from lamina.runtime.bundles.hooks import HookFailed, Hooks, read_hooks, run_hooks
from lamina.runtime.bundles.json_text import load_file
from lamina.runtime.bundles.state import NoContainer, Record, WrongState
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.failures import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # Tells what goes wrong and changes nothing.
    Warn = Callable[[str], None]

_SIGKILL, _SIGTERM = 9, 15
_PATIENCE = 10.0
# Signals by name; asm-generic/signal.h, the same on all that we have tables for.
_SIGNALS = {
    name: number
    for number, name in enumerate(
        (
            *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL"),
            *("USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD"),
            *("CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ"),
            *("VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
        ),
        1,
    )
}


def start(root: str, identity: str, warn: Warn) -> None:
    """Have the container's command executed; returns once it is.

    Raises ContainerError: what kept the command from that, or a poststart hook that
    failed, for which the container is ended.
    """
    known = state.load(root, identity)
    line = state.connect(root, identity)
    if line is None or known.process is None or not known.process.alive:
        seen = state.status(root, known)
        raise WrongState(f"cannot start a container that is {seen}: {identity}")
    try:
        _begin(line)
    finally:
        line.close()
    try:
        os.unlink(f"{state.directory(root, identity)}/{state.SOCKET}")
    except FileNotFoundError:
        return  # it is deleted already
    hooks = _hooks(root, identity)
    if hooks.poststart:
        _after_start(known, hooks, warn)


def _begin(line: _socket.socket) -> None:
    """Say the word, and hear what comes of it: nothing when the command runs."""
    if not wire.tell(line, b"start"):
        raise WrongState("container not running")
    data, _ = wire.receive(line)
    if data:
        raise failure(wire.load(data))


def _after_start(known: Record, hooks: Hooks, warn: Warn) -> None:
    process = known.process
    assert process is not None
    told = state.hook_state(known, state.RUNNING, process.pid)
    try:
        run_hooks("poststart", hooks.poststart, told)
    except HookFailed:
        _end(known, warn)
        raise


def signal_number(text: str) -> int:
    """`9`, `KILL` or `SIGKILL`, and `RTMIN+N`; raises ContainerError."""
    plain = text.upper().removeprefix("SIG")
    if plain in _SIGNALS:
        return _SIGNALS[plain]
    base, _, more = plain.partition("+")
    if base == "RTMIN" and (more or "0").isdigit():
        plain = str(34 + int(more or 0))
    if plain.isascii() and plain.isdigit() and 0 <= int(plain) <= 64:
        return int(plain)
    raise ContainerError(f"unknown signal {text!r}")


def kill(root: str, identity: str, number: int, everyone: bool = False) -> None:
    """Signal the first process, or with `everyone` all that are in the cgroup.

    Raises WrongState when it does not run.
    """
    known = state.load(root, identity)
    if everyone:
        for pid in Cgroup(known.cgroup).procs():
            _signal(pid, number)
        return
    pidfd = state.open_process(known)
    try:
        syscalls.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        raise WrongState("container not running") from None
    finally:
        os.close(pidfd)
    if number == _SIGKILL and known.shares_pids:
        # No pid namespace ends with it.
        Cgroup(known.cgroup).kill()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def pause(root: str, identity: str) -> None:
    """Stop all its processes where they are."""
    known = state.load(root, identity)
    seen = state.status(root, known)
    if seen not in (state.CREATED, state.RUNNING):
        raise WrongState(f"cannot pause a container that is {seen}")
    Cgroup(known.cgroup).freeze()


def resume(root: str, identity: str) -> None:
    """Let them go on."""
    known = state.load(root, identity)
    if state.status(root, known) != state.PAUSED:
        raise WrongState("container not paused")
    Cgroup(known.cgroup).thaw()


def delete(root: str, identity: str, force: bool, warn: Warn) -> None:
    """Remove a container that has stopped, or was never started; with `force` any, and
    none is fine. Raises ContainerError."""
    try:
        known = state.load(root, identity)
    except NoContainer:
        if not force:
            raise
        state.remove_directory(state.directory(root, identity))
        return
    except ContainerError:
        if not force:
            raise
        state.remove_directory(state.directory(root, identity))
        return
    seen = state.status(root, known)
    if not force and seen in (state.RUNNING, state.PAUSED):
        raise WrongState(
            f"cannot delete container {identity} that is not stopped: {seen}"
        )
    _end(known, warn)
    hooks = _hooks(root, identity)
    state.remove_directory(state.directory(root, identity))
    if hooks.poststop:
        told = state.hook_state(known, state.STOPPED, 0)
        for hook in hooks.poststop:
            try:
                run_hooks("poststop", (hook,), told)
            except HookFailed as error:
                warn(str(error))


def _end(known: Record, warn: Warn) -> None:
    """Kill all that is left of it, and remove its cgroup."""
    process = known.process
    if process is not None and process.alive:
        _kill_first(known)
    if known.cgroup:
        Cgroup(known.cgroup).kill()
    if known.unit:
        _stop_unit(known, warn)
    if known.cgroup:
        Cgroup(known.cgroup).delete()
    deadline = time.monotonic() + _PATIENCE
    while process is not None and process.alive:
        if time.monotonic() > deadline:
            raise ContainerError(f"the process {process.pid} does not end")
        time.sleep(0.001)


def _stop_unit(known: Record, warn: Warn) -> None:
    from lamina.runtime.bundles import scoping

    if failed := scoping.stop(known):
        warn(failed)


def _kill_first(known: Record) -> None:
    try:
        pidfd = state.open_process(known)
    except WrongState:
        return
    try:
        syscalls.pidfd_send_signal(pidfd, _SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)


def _hooks(root: str, identity: str) -> Hooks:
    try:
        path = f"{state.directory(root, identity)}/config.json"
        return read_hooks(load_file(path, "config.json"))
    except ContainerError:
        return Hooks()  # it was killed while it was created
