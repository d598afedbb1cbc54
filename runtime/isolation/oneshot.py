"""A launch without a zygote: the process that asks for it clones the container itself.

For a process with one thread that is as sealed as the zygote (interpreter.py) and ends
soon: the container's first process goes on as whoever collects orphans finds it. What
happens in the child is the zygote's (setup.py); around it there is a talk on a line:

    from the child   {"prepared": True}   its namespaces are there, for the host's hooks
                     {"created": ..., }   all is ready but the command, [terminal]
                     {"error": ...}
    to the child     b"go", each time
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import _socket
import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import children, setup, snapshot, wire
from lamina.runtime.isolation.assembly import Assembly
from lamina.runtime.isolation.cgroup_view import read_cgroups
from lamina.runtime.isolation.execution import keep_only
from lamina.runtime.isolation.idmaps import write_maps
from lamina.runtime.isolation.stage import build_stage
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from lamina.runtime.isolation.namespaces import Membership
    from lamina.runtime.spec import IdMapping

_SIGKILL, _SIGSTOP, _SIGCHLD = 9, 19, 17
# Those that have to be joined by who clones: only its children are in them.
_BEYOND = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWTIME
_CLOCKS = {"monotonic": 1, "boottime": 7}
_GO = b"go"


@value
class Cgroups:
    """Where a process was put: the files to write to, and what is seen of them without
    a cgroup namespace, as (name, mount)."""

    files: tuple[int, ...]
    trees: tuple[tuple[str, int], ...] = ()


@value
class Launch:
    """A container to launch: `early` and `late` as setup.py takes them.

    `arrange` sets what is particular to it on the Assembly, in the child; descriptors
    that it needs are `kept`, and so are `preserved` ones from 3 on for the command.
    `place` is given its pid before it goes on, and puts it into cgroups: for those
    that cannot be made without a process.
    """

    early: dict[str, Any]
    late: dict[str, Any]
    namespaces: Membership
    arrange: Callable[[Assembly], None]
    uids: tuple[IdMapping, ...] = ()
    gids: tuple[IdMapping, ...] = ()
    time_offsets: tuple[tuple[str, int, int], ...] = ()
    kept: tuple[int, ...] = ()
    preserved: int = 0
    waits: bool = False
    place: Callable[[int], Cgroups] | None = None


class Born:
    """The process that was cloned, and the line to it."""

    def __init__(self, pid: int, pidfd: int, line: _socket.socket) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.line = line

    def go(self, placed: Cgroups | None = None) -> None:
        """Let it go on from where it waits; the first time, from where it was put."""
        if placed is None:
            wire.tell(self.line, _GO)
            return
        names = tuple(name for name, _ in placed.trees)
        fds = (*placed.files, *(fd for _, fd in placed.trees))
        wire.tell(self.line, {"files": len(placed.files), "trees": names}, fds)

    def heard(self) -> tuple[dict[str, Any], list[int]]:
        """What it says next; {} when it is gone."""
        data, fds = wire.receive(self.line)
        return (wire.load(data) if data else {}), fds

    def kill(self) -> None:
        """End it, and what is in its pid namespace."""
        try:
            syscalls.pidfd_send_signal(self.pidfd, _SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return


def launch(given: Launch, joined: list[int], fds: list[int]) -> Born:
    """Clone the container's process; `joined` are the namespaces to join, in the order
    of `given.namespaces`, `fds` as setup.finish has them. Raises ContainerError."""
    ours, theirs = wire.pair()
    spaces = tuple(zip(joined, given.namespaces.joins, strict=True))
    beyond = tuple(space for space in spaces if space[1] & _BEYOND)
    later = syscalls.CLONE_NEWCGROUP | syscalls.CLONE_NEWTIME
    flags = given.namespaces.new & ~later
    timed = given.namespaces.new & syscalls.CLONE_NEWTIME
    try:
        if beyond or timed:
            pid, pidfd = children.clone_beyond(
                lambda: _go_beyond(beyond, given if timed else None), flags
            )
        else:
            pid, pidfd = syscalls.clone3(flags, _SIGCHLD)
    except OSError as error:
        raise ContainerError(f"Cannot make the namespaces: {error}.") from error
    if pid == 0:
        beside = tuple(space for space in spaces if space not in beyond)
        _be_container(theirs, given, beside, fds)
    theirs.close()
    born = Born(pid, pidfd, ours)
    try:
        if flags & syscalls.CLONE_NEWUSER:
            write_maps(pid, given.uids, given.gids)
        placed = given.place(pid) if given.place is not None else None
    except BaseException:
        born.kill()
        raise
    born.go(placed)
    return born


def _go_beyond(spaces: tuple[tuple[int, int], ...], timed: Launch | None) -> None:
    """Join what only children can be in; the user namespace first, which allows it."""
    for fd, flag in sorted(spaces, key=lambda s: s[1] != syscalls.CLONE_NEWUSER):
        syscalls.setns(fd, flag)
    if timed is not None:
        syscalls.unshare(syscalls.CLONE_NEWTIME)
        rows = (f"{_CLOCKS[c]} {secs} {ns}\n" for c, secs, ns in timed.time_offsets)
        if text := "".join(rows):
            with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
                file.write(text)


def _be_container(
    line: _socket.socket,
    given: Launch,
    spaces: tuple[tuple[int, int], ...],
    fds: list[int],
) -> NoReturn:
    """The child's life, up to the command."""
    assembly: Assembly | None = None
    before = read_cgroups() if given.place is not None else []
    try:
        placed = _wait_for_place(line)
        late = given.late
        if given.place is not None:
            late = {**late, "cgroups": len(placed.files)}
        _settle(given)
        joined = (fd for fd, _ in spaces)
        inherited = range(3 + given.preserved)
        trees = (fd for _, fd in placed.trees)
        fds = [*placed.files, *fds]
        keep_only(*inherited, line.fileno(), *joined, *fds, *trees, *given.kept)
        for fd, flag in sorted(spaces, key=lambda s: s[1] == syscalls.CLONE_NEWNS):
            syscalls.setns(fd, flag)
            os.close(fd)
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        build_stage()
        assembly = Assembly()
        assembly.report = line.fileno()
        assembly.preserved, assembly.kept = given.preserved, given.kept
        given.arrange(assembly)
        if given.place is not None:
            assembly.cgroups.before, assembly.cgroups.trees = before, placed.trees
        setup.prepare(assembly, {**given.early, "sysctl": {}})
        if given.waits:
            wire.send(line, {"prepared": True})
            if wire.receive(line)[0] != _GO:
                os._exit(0)
        if given.early["sysctl"]:
            setup.set_sysctls(given.early["sysctl"], given.early["own"])
        setup.finish(assembly, late, fds)
    except BaseException as error:
        children.die(assembly.report if assembly else line.fileno(), error)


def _wait_for_place(line: _socket.socket) -> Cgroups:
    """Wait for the word to go on: where this process has been put."""
    data, fds = wire.receive(line)
    if data == _GO:
        return Cgroups(())
    if not data:
        os._exit(0)
    message = wire.load(data)
    count = message["files"]
    trees = zip(message["trees"], fds[count:], strict=True)
    return Cgroups(tuple(fds[:count]), tuple(trees))


def _settle(given: Launch) -> None:
    """Be what a zygote is: nothing of the caller's signals, keys or ids."""
    for number in range(1, 65):
        if number not in (_SIGKILL, _SIGSTOP):
            syscalls.default_signal(number)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    syscalls.set_name("lamina-init")
    in_user = any(kind == "user" for kind, _ in given.namespaces.joined)
    if in_user or given.namespaces.new & syscalls.CLONE_NEWUSER:
        snapshot.forget()
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        try:  # noqa: SIM105 (no imports here)
            os.setgroups(())
        except PermissionError:
            pass  # a namespace of a single id has no groups to give
    # Keeps the container from looking into this process, and at what it has open.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    try:  # noqa: SIM105
        syscalls.join_session_keyring()
    except OSError:
        pass  # no keys in this kernel, or the quota of keyrings is used up
