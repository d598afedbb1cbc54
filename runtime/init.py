"""The zygote's program: one thread, stdlib only, one clone3 for each container.

Started by zygote.py as `python -I -S` from a read-only clone of the interpreter
(CVE-2019-5736). It is PID 1 of a pid namespace, so that the kernel ends every
container when it ends, and it ends when its owner does: then nobody is left at the
other end of the request socket. After `main` has begun to serve, nothing is
imported any more: a container's files could be what an import finds.

A launch comes in two parts: `early` does not depend on the root, so a child that has
already carried it out can wait for the `late` part of a launch like the last one.
"""

from __future__ import annotations

import _socket
import gc
import marshal
import os
import select
import sys

from lamina.runtime import privileges, setup, snapshot, syscalls, wire
from lamina.runtime.assembly import Assembly
from lamina.runtime.errors import ContainerError, NotPermitted
from lamina.runtime.execution import keep_only
from lamina.runtime.stage import set_the_stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SIGKILL, _SIGCHLD, _SIGSTOP = 9, 17, 19
_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
)
# So many children of one kind wait at most, and of so many kinds.
_MOST_WAITING = 4
_MOST_KINDS = 6


def main(fd: int) -> None:
    """Serve the owner at the other end of `fd` until it is gone."""
    # What Python, posix_spawn or the owner's shell ignores, a container would inherit.
    for number in range(1, 65):
        if number not in (_SIGKILL, _SIGSTOP):
            syscalls.default_signal(number)
    syscalls.set_name("lamina-zygote")
    requests = _socket.socket(fileno=fd)
    data, cgroups = wire.receive(requests)
    if not data:
        return
    server = Server(requests)
    try:
        _settle(wire.load(data), cgroups)
    except OSError as error:
        server.broken = NotPermitted(
            f"this process may not create containers: {error}",
            hint="run as root, or allow user namespaces (sysctl "
            "kernel.unprivileged_userns_clone, user.max_user_namespaces)",
        )
    sys.path.clear()
    sys.meta_path.clear()
    gc.disable()
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
    if options["stage"]:
        if cgroups:
            syscalls.unshare(syscalls.CLONE_NEWCGROUP)
        set_the_stage(options["keep"])
        snapshot.use_method(options["overlay"])
    snapshot.needs_user_xattr()


# What waiting children are alike in: the early part and the network namespace.
Key = tuple[bytes, tuple[int, int]]


class Child:
    """A child that prepares itself, or has, and waits for the rest on its line."""

    def __init__(self, pid: int, pidfd: int, line: _socket.socket, key: Key) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.line = line
        self.key = key


class Server:
    """The zygote's state: what runs, and what waits to run."""

    def __init__(self, requests: _socket.socket) -> None:
        self.requests = requests
        self.broken: ContainerError | None = None
        self.poll = select.poll()
        self.poll.register(requests.fileno(), select.POLLIN)
        # By pidfd: pid, the line on which the owner is told, whether it outlives us.
        self.running: dict[int, tuple[int, _socket.socket, bool]] = {}
        self.waiting: dict[int, Child] = {}
        # How many children of a kind are to wait, and their network namespace.
        self.wanted: dict[Key, tuple[int, int]] = {}

    def serve(self) -> None:
        """Requests first, then those who ended; when idle, children that wait."""
        while True:
            missing = self._missing()
            events = self.poll.poll(0 if missing else None)
            if not events and missing:
                self._add_waiting(missing)
            for fd, _ in events:
                if fd != self.requests.fileno():
                    self._ended(fd)
                elif not self._request():
                    self._leave()
                    return

    def _request(self) -> bool:
        try:
            data, fds = wire.receive(self.requests)
        except OSError:
            return True  # EMFILE: its descriptors are closed, the owner sees that
        if not data:
            return False
        request = wire.load(data)
        try:
            if request["op"] == "prepare":
                self._want(self._key(request["early"], fds), fds, 1)
                return True
            if self.broken is not None:
                raise self.broken
            if request["op"] == "exec":
                self._exec(request, fds)
            else:
                self._launch(request, fds)
        except ContainerError as error:
            _tell(fds[0], error)
        except OSError as error:
            _tell(fds[0], ContainerError(f"cannot start a container: {error}"))
        finally:
            for fd in fds:
                if fd >= 0:
                    os.close(fd)
        return True

    def _launch(self, request: dict[str, Any], fds: list[int]) -> None:
        """Fds: report, owner's line, the streams, [network], cgroups, mounts."""
        networks = fds[5 : 5 + request["networks"]]
        rest = fds[5 + request["networks"] :]
        key = self._key(request["early"], networks)
        child = self._take(key)
        if request["warm"]:
            self._want(key, networks, 1 if child else 2)
        if child is None:
            child = self._clone(key, networks[0] if networks else -1)
        self._watch(child.pid, child.pidfd, _taken(fds, 1))
        # Should it have been killed, then that is what the owner will hear.
        late = (fds[0], *fds[2:5], *rest)
        wire.tell(child.line, request["late"], late)
        child.line.close()

    def _key(self, early: bytes, networks: list[int]) -> Key:
        if not networks:
            return early, (0, 0)
        status = os.fstat(networks[0])
        return early, (status.st_dev, status.st_ino)

    def _want(self, key: Key, networks: list[int], more: int) -> None:
        """Let children of this kind wait; one more for each launch that found none."""
        if key in self.wanted:
            count, network = self.wanted[key]
            self.wanted[key] = (
                min(_MOST_WAITING, max(count, count + more - 1)),
                network,
            )
        else:
            while len(self.wanted) >= _MOST_KINDS:
                self._forget(next(iter(self.wanted)))
            self.wanted[key] = (1, os.dup(networks[0]) if networks else -1)

    def _forget(self, key: Key) -> None:
        network = self.wanted.pop(key)[1]
        if network >= 0:
            os.close(network)
        for child in self.waiting.values():
            if child.key == key:
                syscalls.pidfd_send_signal(child.pidfd, _SIGKILL)

    def _missing(self) -> Key | None:
        """A kind of which fewer wait than are wanted."""
        if self.broken is None:
            for key, (count, _) in self.wanted.items():
                if sum(child.key == key for child in self.waiting.values()) < count:
                    return key
        return None

    def _add_waiting(self, key: Key) -> None:
        try:
            child = self._clone(key, self.wanted[key][1])
        except OSError:
            self._forget(key)  # no more processes now; the next launch will tell
            return
        self.waiting[child.pidfd] = child
        self.poll.register(child.pidfd, select.POLLIN)

    def _take(self, key: Key) -> Child | None:
        for pidfd, child in self.waiting.items():
            if child.key == key:
                del self.waiting[pidfd]
                self.poll.unregister(pidfd)
                return child
        return None

    def _clone(self, key: Key, network: int) -> Child:
        early = marshal.loads(key[0])
        flags = _NAMESPACES
        if early["network"] == "none":
            flags |= syscalls.CLONE_NEWNET
        ours, theirs = wire.pair()
        pid, pidfd = syscalls.clone3(flags, _SIGCHLD)
        if pid == 0:
            _be_container(theirs, early, network)
        theirs.close()
        return Child(pid, pidfd, ours, key)

    def _exec(self, request: dict[str, Any], fds: list[int]) -> None:
        """Fds: report, owner's line, the streams, a pidfd, cgroups."""
        ours, theirs = wire.pair()
        pid, pidfd = syscalls.clone3(0, _SIGCHLD)
        if pid == 0:
            _join(theirs, request, fds)
        os.close(pidfd)
        theirs.close()
        data, born = wire.receive(ours)
        ours.close()
        os.waitpid(pid, 0)
        if data:
            number = wire.load(data)["pid"]
            self._watch(number, born[0], _taken(fds, 1), request["detached"])

    def _watch(self, pid: int, pidfd: int, line: int, detached: bool = False) -> None:
        """Tell the owner who runs, and later how it ended."""
        owner = _socket.socket(fileno=line)
        self.running[pidfd] = (pid, owner, detached)
        self.poll.register(pidfd, select.POLLIN)
        wire.tell(owner, {"pid": pid}, (pidfd,))

    def _ended(self, pidfd: int) -> None:
        self.poll.unregister(pidfd)
        if pidfd in self.waiting:
            child = self.waiting.pop(pidfd)
            os.waitpid(child.pid, 0)
            child.line.close()
            if child.key in self.wanted:
                self._forget(child.key)  # it would only end again
        else:
            pid, owner, _ = self.running.pop(pidfd)
            _, status = os.waitpid(pid, 0)
            wire.tell(owner, {"status": status})
            owner.close()
        os.close(pidfd)

    def _leave(self) -> None:
        """The owner is gone: so is everything, but what was asked to stay."""
        for pidfd, (_, _, detached) in self.running.items():
            if not detached:
                syscalls.pidfd_send_signal(pidfd, _SIGKILL)
        os._exit(0)


def _be_container(
    line: _socket.socket, early: dict[str, Any], network: int
) -> NoReturn:
    """The child's life: prepare, wait for the rest, finish."""
    failure: BaseException | None = None
    assembly = Assembly()
    try:
        keep_only(0, 1, 2, line.fileno(), assembly.root, network)
        if network >= 0:
            syscalls.setns(network, syscalls.CLONE_NEWNET)
        setup.prepare(assembly, early)
    except BaseException as error:
        failure = error
    data, fds = wire.receive(line)
    if not data:
        os._exit(0)
    report, *streams = fds[:4]
    try:
        if failure is not None:
            raise failure
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        assembly.report = report
        setup.finish(assembly, wire.load(data), fds[4:])
    except BaseException as error:
        _die(report, error)


def _join(line: _socket.socket, request: dict[str, Any], fds: list[int]) -> NoReturn:
    """In a child: enter a container's namespaces, and fork into its pid namespace.

    The grandchild is the zygote's child (CLONE_PARENT), which learns of it on `line`.
    """
    report, _, *rest = fds
    streams, target, cgroups = rest[:3], rest[3], rest[4:]
    try:
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
        keep_only(0, 1, 2, report)
        os.setsid()
        process = request["process"]
        privileges.bound(process["capabilities"])
        setup.join(report, process, request["bpf"])
    except BaseException as error:
        _die(report, error)


def _taken(fds: list[int], index: int) -> int:
    """Take a descriptor out of a request, so that it is not closed at its end."""
    fd, fds[index] = fds[index], -1
    return fd


def _tell(report: int, error: BaseException) -> None:
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


def _die(report: int, error: BaseException) -> NoReturn:
    _tell(report, error)
    os._exit(error.exit_code if isinstance(error, ContainerError) else 125)
