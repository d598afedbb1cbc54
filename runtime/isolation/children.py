"""The zygote's children: cloned for each container, or waiting to become one.

A launch comes in two parts: `early` does not depend on the root, so a child that has
already carried it out can wait for the `late` part of a launch like the last one.
"""

from __future__ import annotations

import _socket
import errno
import marshal
import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import privileges, setup, wire
from lamina.runtime.isolation.assembly import Assembly
from lamina.runtime.isolation.execution import keep_only
from lamina.runtime.isolation.snapshot import Snapshot, mount_beforehand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from lamina.runtime.isolation.loop import Loop

    Particular = tuple[Callable[[Assembly], None] | None, tuple[int, ...]]

_SIGKILL, _SIGTERM, _SIGCHLD = 9, 15, 17
# A child's report and its streams, which are the first descriptors that it is handed.
_TALK = 4
# So many children of one kind wait at most, and of so many kinds.
_MOST_WAITING = 4
_MOST_KINDS = 6

# What waiting children are alike in: the early part and the namespaces they joined.
Key = tuple[bytes, tuple[tuple[int, int], ...]]


class Child:
    """A child that prepares itself, or has, and waits for the rest on its line."""

    def __init__(self, pid: int, pidfd: int, line: _socket.socket, key: Key) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.line = line
        self.key = key

    def finish(self, late: bytes, fds: tuple[int, ...]) -> None:
        """Hand it the rest: its report, its streams, and what `late` counts."""
        root = -1
        message = marshal.loads(late)
        if message["root"] is not None:
            root = mount_beforehand(Snapshot(*message["root"]))
        if root >= 0:
            late = marshal.dumps({**message, "root": None})
            before = _TALK + message["cgroups"]
            fds = (*fds[:before], root, *fds[before:])
        # Should it have been killed, then that is what its owner will hear.
        wire.tell(self.line, late, fds)
        self.line.close()
        if root >= 0:
            os.close(root)


class Pool:
    """Clones children, and keeps some waiting that are like those launched before."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: dict[int, Child] = {}
        # How many children of a kind are to wait, and the namespaces for them to join.
        self._wanted: dict[Key, tuple[int, list[int]]] = {}

    def child(self, early: bytes, joined: list[int], warm: bool) -> Child:
        """One that waits, or a new one; `warm`: another is to wait in its place,
        otherwise none is.

        `joined`: the namespaces to join, as `early` has their flags.
        """
        key = _key(early, joined)
        child = self._take(key)
        if warm:
            self._want(key, joined, 1 if child else 2)
        elif key in self._wanted:
            self._forget(key)
        return child or _clone(key, joined)

    def want(self, early: bytes, joined: list[int]) -> None:
        """Have a child of this kind wait."""
        self._want(_key(early, joined), joined, 1)

    def missing(self) -> Key | None:
        """A kind of which fewer wait than are wanted."""
        for key, (count, _) in self._wanted.items():
            if sum(child.key == key for child in self._waiting.values()) < count:
                return key
        return None

    def add(self, key: Key) -> None:
        """One more of a kind that is wanted."""
        try:
            child = _clone(key, self._wanted[key][1])
        except OSError:
            self._forget(key)  # no more processes now; the next launch will tell
            return
        self._waiting[child.pidfd] = child
        self._loop.watch(child.pidfd, lambda _: self._ended(child))

    def _want(self, key: Key, joined: list[int], more: int) -> None:
        """Let children of this kind wait; one more for each launch that found none."""
        if key in self._wanted:
            count, known = self._wanted[key]
            wanted = min(_MOST_WAITING, max(count, count + more - 1))
            self._wanted[key] = (wanted, known)
        else:
            while len(self._wanted) >= _MOST_KINDS:
                self._forget(next(iter(self._wanted)))
            self._wanted[key] = (1, [os.dup(fd) for fd in joined])

    def _forget(self, key: Key) -> None:
        for fd in self._wanted.pop(key)[1]:
            os.close(fd)
        for child in self._waiting.values():
            if child.key == key:
                syscalls.pidfd_send_signal(child.pidfd, _SIGKILL)

    def _take(self, key: Key) -> Child | None:
        for pidfd, child in self._waiting.items():
            if child.key == key:
                del self._waiting[pidfd]
                self._loop.forget(pidfd)
                return child
        return None

    def _ended(self, child: Child) -> None:
        self._loop.forget(child.pidfd)
        del self._waiting[child.pidfd]
        os.waitpid(child.pid, 0)
        child.line.close()
        os.close(child.pidfd)
        if child.key in self._wanted:
            self._forget(child.key)  # it would only end again


def _key(early: bytes, joined: list[int]) -> Key:
    return early, tuple((s.st_dev, s.st_ino) for s in map(os.fstat, joined))


def _clone(key: Key, joined: list[int]) -> Child:
    """A child in the namespaces that the early part asks for."""
    early = marshal.loads(key[0])
    spaces = tuple(zip(joined, early["joins"], strict=True))
    # The cgroup namespace begins where its process is once it has joined its cgroup.
    flags = early["new"] & ~syscalls.CLONE_NEWCGROUP
    ours, theirs = wire.pair()
    pids = [fd for fd, flag in spaces if flag == syscalls.CLONE_NEWPID]
    if pids:
        pid, pidfd = _clone_into(pids[0], flags)
    else:
        pid, pidfd = syscalls.clone3(flags, _SIGCHLD)
    if pid == 0:
        _be_container(theirs, early, spaces)
    theirs.close()
    return Child(pid, pidfd, ours, key)


def _clone_into(pids: int, flags: int) -> tuple[int, int]:
    try:
        return clone_beyond(lambda: syscalls.setns(pids, syscalls.CLONE_NEWPID), flags)
    except OSError as error:
        text = f"cannot join the pid namespace: {error.strerror}"
        raise OSError(error.errno, text) from None


def clone_beyond(enter: Callable[[], None], flags: int) -> tuple[int, int]:
    """As clone3, from a process in the middle that has called `enter`: who joins a pid
    namespace stays outside, and only its children are in. Raises OSError."""
    ours, theirs = wire.pair()
    middle, middle_fd = syscalls.clone3(0, _SIGCHLD)
    if middle == 0:
        try:
            enter()
            pid, pidfd = syscalls.clone3(flags | syscalls.CLONE_PARENT, 0)
            if pid == 0:
                return 0, -1
            wire.send(theirs, {"pid": pid}, (pidfd,))
        except OSError as error:
            wire.tell(theirs, {"errno": error.errno})
        os._exit(0)
    os.close(middle_fd)
    theirs.close()
    data, fds = wire.receive(ours)
    ours.close()
    os.waitpid(middle, 0)
    message = wire.load(data) if data else {"errno": errno.EAGAIN}
    if not fds:
        raise OSError(message["errno"], os.strerror(message["errno"]))
    return message["pid"], fds[0]


def _be_container(
    line: _socket.socket, early: dict[str, Any], spaces: tuple[tuple[int, int], ...]
) -> NoReturn:
    """The child's life: prepare, wait for the rest, finish."""
    syscalls.default_signal(_SIGTERM)
    failure: BaseException | None = None
    assembly = Assembly()
    try:
        keep_only(0, 1, 2, line.fileno(), assembly.root, *(fd for fd, _ in spaces))
        for fd, flag in spaces:
            if flag != syscalls.CLONE_NEWPID:
                syscalls.setns(fd, flag)
            os.close(fd)
        setup.prepare(assembly, early)
    except BaseException as error:
        failure = error
    data, fds = wire.receive(line)
    if not data:
        os._exit(0)
    report, *streams = fds[:_TALK]
    try:
        if failure is not None:
            raise failure
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        assembly.report = report
        setup.finish(assembly, wire.load(data), fds[_TALK:])
    except BaseException as error:
        die(report, error)


def enter(
    request: dict[str, Any],
    report: int,
    streams: list[int],
    rest: list[int],
    particular: Particular = (None, ()),
) -> tuple[int, int]:
    """Start one more process in a container: its pid and pidfd.

    `rest`: a pidfd of the container's first process, and the cgroups to join.
    `particular`: what sets things on its Assembly, in the child, and the descriptors
    that takes.
    """
    ours, theirs = wire.pair()
    pid, pidfd = syscalls.clone3(0, _SIGCHLD)
    if pid == 0:
        _join(theirs, request, (report, *streams), rest, particular)
    os.close(pidfd)
    theirs.close()
    data, born = wire.receive(ours)
    ours.close()
    os.waitpid(pid, 0)
    if not data:
        return -1, -1  # it has reported why
    return wire.load(data)["pid"], born[0]


def _join(
    line: _socket.socket,
    request: dict[str, Any],
    given: tuple[int, ...],
    rest: list[int],
    particular: Particular,
) -> NoReturn:
    """In a child: enter a container's namespaces, and fork into its pid namespace.

    The grandchild is the zygote's child (CLONE_PARENT), which learns of it on `line`.
    """
    report, *streams = given
    target, *cgroups = rest
    try:
        syscalls.default_signal(_SIGTERM)
        # First the files that only the host has: after setns they are out of reach.
        syscalls.setns(target, request["namespaces"])
        pid, pidfd = syscalls.clone3(syscalls.CLONE_PARENT, 0)
        if pid:
            wire.send(line, {"pid": pid}, (pidfd,))
            os._exit(0)
        if not request["detached"]:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
        for cgroup in cgroups:
            os.write(cgroup, b"0")
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        preserved = request.get("preserved", 0)
        arrange, kept = particular
        keep_only(*range(3 + preserved), report, *kept)
        os.setsid()
        process = request["process"]
        privileges.bound(process["capabilities"])
        setup.join(report, process, request["bpf"], preserved, arrange)
    except BaseException as error:
        die(report, error)


def tell(report: int, error: BaseException) -> None:
    """Send what went wrong; a ContainerError as itself, another with its place."""
    if isinstance(error, ContainerError):
        message = {
            "error": type(error).__name__,
            "text": str(error),
            "hint": error.hint,
        }
    else:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = ""
        if trace is not None:
            name = os.path.basename(trace.tb_frame.f_code.co_filename)
            place = f" ({name}:{trace.tb_lineno})"
        text = f"the container cannot be set up: {error}{place}"
        message = {"error": "ContainerError", "text": text, "hint": ""}
    end = _socket.socket(fileno=report)
    # Where the filter is on already and forbids it, the exit code has to do.
    wire.tell(end, message)
    end.detach()


def die(report: int, error: BaseException) -> NoReturn:
    """End this child, having said why."""
    tell(report, error)
    os._exit(error.exit_code if isinstance(error, ContainerError) else 125)
