"""One run of a container: a child of the zygote, from its launch to its end."""

from __future__ import annotations

import _socket
import os
import time

from lamina.runtime import syscalls
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.processes import namespaces_of, pid_of
from lamina.runtime.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.isolation.server import Running, Server
    from lamina.runtime.keeper.given import Given
    from lamina.runtime.keeper.inputs import Inputs
    from lamina.runtime.keeper.outputs import Outputs


class Run:
    """Told of it are `opened`, when its terminal is there, `executed`, and `ended` with
    waitpid(2)'s status once all that it wrote was read.

    `facts` are what the child said of itself when it executed, `failure` what kept it
    from that; `began` is a moment of the monotonic clock.
    """

    def __init__(
        self, server: Server, given: Given, outputs: Outputs, inputs: Inputs
    ) -> None:
        self.facts: dict[str, Any] = {}
        self.failure: dict[str, Any] = {}
        self.master = -1
        self.began = time.monotonic()
        self.init = given.owner
        self.opened: Callable[[], None] = lambda: None
        self.executed: Callable[[], None] = lambda: None
        self.ended: Callable[[int], None] = lambda _: None
        self.running: Running | None = None
        self._server = server
        self._given = given
        self._outputs = outputs
        self._inputs = inputs
        self._report: _socket.socket | None = None

    def launch(self, mounts: list[int], stays: bool) -> None:
        """Begin, with these detached mounts, which are closed.

        Raises OSError when there can be no more processes.
        """
        given, server = self._given, self._server
        try:
            child = server.pool.child(given.early, given.namespaces, warm=False)
        except OSError:
            _close(mounts)
            raise
        self.running = server.attend(child.pid, child.pidfd, self._ended, stays)
        self.init = Owner.of(given.id, pid_of(child.pidfd))
        streams, sources, stdin = streams_of(given)
        self._report, theirs = wire.pair()
        child.finish(given.late, (theirs.fileno(), *streams, *given.cgroups, *mounts))
        theirs.close()
        _close({*streams, *mounts})
        self._outputs.open(sources)
        if stdin >= 0:
            self._inputs.open(stdin)
        server.loop.watch(self._report.fileno(), lambda _: self._hear_report())

    def signal(self, number: int) -> None:
        """Signal the first process; nothing when it has ended."""
        if self.running is not None:
            try:  # noqa: SIM105 (contextlib is an import)
                syscalls.pidfd_send_signal(self.running.pidfd, number)
            except ProcessLookupError:
                pass

    @property
    def pidfd(self) -> int:
        assert self.running is not None
        return self.running.pidfd

    def namespaces(self) -> int:
        """What has to be entered to be where it is (setns(2))."""
        return namespaces_of(self.pidfd)

    def rest(self) -> list[int]:
        """What `children.enter` needs: the pidfd, to be closed, and the cgroups."""
        return [os.dup(self.pidfd), *self._given.cgroups]

    def _hear_report(self) -> None:
        """What the child says until it executes (the end of file) or fails."""
        assert self._report is not None
        data, fds = wire.receive(self._report)
        if not data:
            self._server.loop.forget(self._report.fileno())
            self._report.close()
            self._report = None
            if self.facts and not self.failure:
                self.executed()
            return
        message = wire.load(data)
        if "error" in message:
            self.failure = message
        else:
            self.facts = message
        if fds:
            self.master = fds[0]
            self._outputs.open({fds[0]: "stdout"})
            if self._given.stdin:
                self._inputs.open(os.dup(fds[0]))
            self.opened()

    def _ended(self, status: int) -> None:
        """The first process is gone, and with it all of the container's."""
        while self._report is not None:
            self._hear_report()
        self._inputs.close()
        self._outputs.drain()
        self.ended(status)


def _close(fds: list[int] | set[int]) -> None:
    for fd in fds:
        os.close(fd)


def streams_of(given: Given) -> tuple[tuple[int, int, int], dict[int, str], int]:
    """The container's ends of its streams; ours of its outputs and its input."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if given.terminal:
        return (null, null, null), {}, -1
    stdin, fed = null, -1
    if given.stdin:
        stdin, fed = os.pipe()
        os.close(null)
    out, stdout = os.pipe()
    errors, stderr = os.pipe()
    return (stdin, stdout, stderr), {out: "stdout", errors: "stderr"}, fed
