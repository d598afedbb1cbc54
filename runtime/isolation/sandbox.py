"""Sandbox: a container's process, from what is said of its start until its end."""

from __future__ import annotations

import _socket
import _thread
import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.failures import failure
from lamina.runtime.isolation.processes import pid_of
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.paths import Created

_SIGKILL = 9


@value
class ExitStatus:
    """How a process ended: by `code`, or by `signal` (then code is 128 + signal)."""

    code: int
    signal: int = 0


class Sandbox:
    """A container's process that was started. Use `wait`, then `close`.

    `created` are the mount points that did not exist in the root and were made
    (paths.remove_created takes them away); `terminal` is the master's descriptor,
    the caller's to close; `marks` say when each part of the start was done
    (monotonic ns).
    """

    is_kept = False

    def __init__(self, line: _socket.socket, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.terminal: int | None = None
        self.created: tuple[Created, ...] = ()
        self.marks: tuple[tuple[str, int], ...] = ()
        self._line = line
        self._status: ExitStatus | None = None
        self._lock = _thread.allocate_lock()

    def fileno(self) -> int:
        """A descriptor that is readable once the process has ended."""
        return self._line.fileno()

    def wait(self) -> ExitStatus:
        """Wait for the end. Raises ContainerError when the zygote was killed."""
        with self._lock:
            if self._status is None:
                data, _ = wire.receive(self._line)
                if not data:
                    raise ContainerError(
                        "The process that containers are started from was killed.",
                        hint="The kernel may have run out of memory: see `dmesg`.",
                    )
                self._status = _exit_status(wire.load(data)["status"])
            return self._status

    def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal, if it has one, that it has another size."""
        if self.terminal is not None:
            from lamina.runtime.isolation import terminal

            terminal.set_size(self.terminal, rows, columns)

    def kill(self, signal: int = _SIGKILL) -> None:
        """Signal the process, and no other; nothing when it has ended."""
        try:  # noqa: SIM105 (contextlib is an import)
            syscalls.pidfd_send_signal(self.pidfd, signal)
        except ProcessLookupError:
            pass

    def detach(self) -> None:
        """Let it live on when this process ends, if it was a keeper that started it,
        with nobody at its terminal."""
        fds = () if self.terminal is None else (self.terminal,)
        wire.tell(self._line, {"detach": True}, fds)

    def close(self) -> None:
        """Give back the descriptors; the process goes on."""
        self._line.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def started(
    ask: Callable[[tuple[int, int]], None], died: Callable[[], ContainerError]
) -> Sandbox:
    """A process, once its command was executed.

    `ask` sends the request for it, with the ends of two lines: on the first the child
    reports, on the second the zygote says that it was born, and how it ended. Raises
    what kept it from that, or `died()` when nobody is there to say.
    """
    report, theirs = wire.pair()
    line, its = wire.pair()
    try:
        try:
            ask((theirs.fileno(), its.fileno()))
        finally:
            theirs.close()
            its.close()
        return _started(report, line, died)
    except BaseException:
        line.close()
        raise
    finally:
        report.close()


def _started(
    report: _socket.socket, line: _socket.socket, died: Callable[[], ContainerError]
) -> Sandbox:
    facts, terminal = _reported(report)
    data, born = wire.receive(line)
    if not data or not born:
        raise died()
    if not facts:
        os.close(born[0])
        raise ContainerError("The container was killed while it was set up.")
    sandbox = Sandbox(line, pid_of(born[0]), born[0])
    sandbox.terminal = terminal
    sandbox.created = facts.get("created", ())
    sandbox.marks = facts.get("marks", ())
    return sandbox


def _reported(report: _socket.socket) -> tuple[dict[str, Any], int | None]:
    """What a child says until it executes (the end of file) or fails (raised)."""
    facts: dict[str, Any] = {}
    terminal: int | None = None
    while True:
        data, fds = wire.receive(report)
        if not data:
            return facts, terminal
        message = wire.load(data)
        if "error" in message:
            if terminal is not None:
                os.close(terminal)
            raise failure(message)
        facts.update(message)
        if fds:
            terminal = fds[0]


def _exit_status(status: int) -> ExitStatus:
    code = os.waitstatus_to_exitcode(status)
    return ExitStatus(code) if code >= 0 else ExitStatus(128 - code, -code)
