"""One more process in a container, for a client: `exec`."""

from __future__ import annotations

import _socket
import os

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.processes import pid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.isolation.server import Server
    from lamina.runtime.keeper.kept import Kept

_CHUNK = 64 * 1024
# proc_pid_stat(5): the flags of a process, behind its name; include/linux/sched.h.
_FLAGS = 6
_FORKNOEXEC = 0x40


class Executed:
    """The process that `request` asks for, which ends with its client unless it is
    detached, or is let go.

    `line` is the client's connection, `owner` where it hears of the process and sends
    {"detach": True} to let it go, with the master of its terminal.
    """

    def __init__(
        self,
        server: Server,
        kept: Kept,
        request: dict[str, Any],
        line: _socket.socket,
        owner: _socket.socket,
    ) -> None:
        self._loop = server.loop
        self._server = server
        self._kept = kept
        self._request = request
        self._line = line
        self._owner = owner
        self._stays: bool = request["detached"]
        self._executed = True
        self._about = {"execID": os.urandom(32).hex()}

    def start(self, fds: list[int]) -> None:
        """Fds: where the child reports, one that was taken, the streams.

        Raises ContainerError; what the child itself cannot do it reports.
        """
        if self._kept.status != "running":
            raise ContainerError("The container does not run.")
        command = " ".join(self._request["process"]["args"])
        self._kept.tell(f"exec_create: {command}", **self._about)
        pid, pidfd = self._kept.enter(self._request, fds)
        if pid < 0:
            self._line.close()
            self._owner.close()
            return
        self._kept.tell(f"exec_start: {command}", **self._about)
        self._running = self._server.attend(pid, pidfd, self._ended, self._stays)
        self._running.dying = self._look
        wire.tell(self._owner, {"pid": pid}, (pidfd,))
        self._loop.watch(self._line.fileno(), lambda _: self._hung_up())

    def _look(self) -> None:
        """Whether the command was ever executed: what is left of it in /proc knows.

        Its pid there is another than in the keeper's own namespace.
        """
        try:
            pid = pid_of(self._running.pidfd)
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
                flags = int(stat.read(4096).rpartition(b")")[2].split()[_FLAGS])
        except OSError:
            return
        self._executed = not flags & _FORKNOEXEC

    def _ended(self, status: int) -> None:
        wire.tell(self._owner, {"status": status})
        self._owner.close()
        if self._line.fileno() >= 0:
            self._loop.forget(self._line.fileno())
            self._line.close()
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        if self._executed:
            self._kept.tell("exec_die", **self._about, exitCode=str(code))

    def _hung_up(self) -> None:
        self._loop.forget(self._line.fileno())
        self._line.close()
        self._owner.setblocking(False)
        try:
            data, fds = wire.receive(self._owner)
        except OSError:
            data, fds = b"", []
        if data and "detach" in wire.load(data):
            self._stays = self._running.stays = True
            self._kept.tell("exec_detach", **self._about)
        for fd in fds:
            self._attend_terminal(fd)
        if not self._stays:
            self._running.kill()

    def _attend_terminal(self, master: int) -> None:
        """Nobody looks at it any more: what is written there has to go somewhere."""

        def read(_events: int) -> None:
            try:
                data = os.read(master, _CHUNK)
            except OSError:
                data = b""
            if not data:
                self._loop.forget(master)
                os.close(master)

        self._loop.watch(master, read)
