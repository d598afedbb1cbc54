"""The zygote's server: requests from its owner, children that end, others that wait."""

from __future__ import annotations

import _socket
import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import children, wire
from lamina.runtime.isolation.children import Pool
from lamina.runtime.isolation.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # Carries out a request with its descriptors; one that it keeps it replaces by -1.
    Operation = Callable[[dict[str, Any], list[int]], None]

_SIGKILL = 9


class Running:
    """A child that runs: who is told of its end, and whether it outlives the owner."""

    def __init__(
        self, pid: int, pidfd: int, ended: Callable[[int], None], stays: bool
    ) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.ended = ended
        self.stays = stays
        # Called before that, while its remains can be looked at in /proc.
        self.dying: Callable[[], None] = lambda: None

    def kill(self) -> None:
        syscalls.pidfd_send_signal(self.pidfd, _SIGKILL)


class Server:
    """Serves the owner at the other end of `requests` until it is gone."""

    def __init__(self, requests: _socket.socket) -> None:
        self.loop = Loop()
        self.pool = Pool(self.loop)
        self.broken: ContainerError | None = None
        self.running: dict[int, Running] = {}
        self.operations: dict[str, Operation] = {
            "prepare": self._prepare,
            "launch": self._launch,
            "exec": self._exec,
        }
        self._requests = requests
        self.loop.watch(requests.fileno(), lambda _: self._serve_owner())

    def serve(self) -> None:
        """Requests first, then those who ended; when idle, children that wait."""
        while True:
            missing = None if self.broken else self.pool.missing()
            if not self.loop.turn(idle=missing is not None) and missing is not None:
                self.pool.add(missing)
            self.after_turn()

    def settle(self, options: dict[str, Any]) -> None:
        """Called with what the owner chose before anything is served."""

    def after_turn(self) -> None:
        """Called whenever something was done."""

    def attend(
        self, pid: int, pidfd: int, ended: Callable[[int], None], stays: bool = False
    ) -> Running:
        """Call `ended` with the wait status (waitpid(2)) when a child has ended."""
        running = Running(pid, pidfd, ended, stays)
        self.running[pidfd] = running
        self.loop.watch(pidfd, lambda _: self._ended(running))
        return running

    def left(self) -> None:
        """The owner is gone: so is everything, but what was asked to stay."""
        for running in self.running.values():
            if not running.stays:
                running.kill()
        os._exit(0)

    def take(self, line: _socket.socket) -> bool:
        """Carry out the next request on `line`; False when nobody is left there."""
        try:
            data, fds = wire.receive(line)
        except OSError:
            return True  # EMFILE: its descriptors are closed, the owner sees that
        if not data:
            return False
        request = wire.load(data)
        try:
            self.operations[request["op"]](request, fds)
        except ContainerError as error:
            if not fds:
                raise  # who asked hears of it by the end of its line
            children.tell(fds[0], error)
        except OSError as error:
            if not fds:
                raise
            failure = ContainerError(f"Cannot start a container: {error}.")
            children.tell(fds[0], failure)
        finally:
            for fd in fds:
                if fd >= 0:
                    os.close(fd)
        return True

    def _serve_owner(self) -> None:
        if not self.take(self._requests):
            self.loop.forget(self._requests.fileno())
            self._requests.close()
            self.left()

    def _ended(self, running: Running) -> None:
        running.dying()
        pid, status = os.waitpid(running.pid, os.WNOHANG)
        if pid == 0:
            return
        self.loop.forget(running.pidfd)
        del self.running[running.pidfd]
        running.ended(status)
        os.close(running.pidfd)

    def _prepare(self, request: dict[str, Any], fds: list[int]) -> None:
        """Fds: the namespaces to join."""
        self.pool.want(request["early"], fds)

    def _launch(self, request: dict[str, Any], fds: list[int]) -> None:
        """Fds: report, owner's line, the streams, namespaces, cgroups, mounts."""
        if self.broken is not None:
            raise self.broken
        joined = fds[5 : 5 + request["joined"]]
        rest = fds[5 + request["joined"] :]
        child = self.pool.child(request["early"], joined, request["warm"])
        self._tell_owner(child.pid, child.pidfd, taken(fds, 1))
        child.finish(request["late"], (fds[0], *fds[2:5], *rest))

    def _exec(self, request: dict[str, Any], fds: list[int]) -> None:
        """Fds: report, owner's line, the streams, a pidfd, cgroups."""
        if self.broken is not None:
            raise self.broken
        pid, pidfd = children.enter(request, fds[0], fds[2:5], fds[5:])
        if pid > 0:
            self._tell_owner(pid, pidfd, taken(fds, 1))

    def _tell_owner(self, pid: int, pidfd: int, line: int) -> None:
        """Tell the owner who runs, and later how it ended."""
        owner = _socket.socket(fileno=line)

        def ended(status: int) -> None:
            wire.tell(owner, {"status": status})
            owner.close()

        self.attend(pid, pidfd, ended)
        wire.tell(owner, {"pid": pid}, (pidfd,))


def taken(fds: list[int], index: int) -> int:
    """Take a descriptor out of a request, so that it is not closed at its end."""
    fd, fds[index] = fds[index], -1
    return fd
