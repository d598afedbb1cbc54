"""Health checks: a process in the container every now and then, and how it ended."""

from __future__ import annotations

import _socket
import os
import time

from lamina.runtime.isolation import children, wire
from lamina.runtime.keeper.health import MOST_OUTPUT, Check, Health, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.runtime.isolation.server import Running, Server

# A second in ns.
_SECOND = 10**9


class Probes:
    """The health checks of one run of a container, until `stop`.

    `process` and `rest` are as for isolation/children.py, enter; `changed` is told what
    is known each time.
    """

    def __init__(
        self,
        server: Server,
        check: Check,
        process: dict[str, Any],
        rest: Callable[[], list[int]],
        changed: Callable[[Health], None],
    ) -> None:
        self.health = Health()
        self._server = server
        self._check = check
        self._process = process
        self._rest = rest
        self._changed = changed
        self._started = time.time_ns()
        self._timer = 0
        self._running: Running | None = None
        self._output = b""
        self._reader = -1
        self._began = 0
        self._late = False
        self._wait()

    def stop(self) -> None:
        """Probe no more, or not for now."""
        self._server.loop.cancel(self._timer)
        self._close_output()
        if self._running is not None:
            self._running.ended = lambda _: None
            self._running.kill()
            self._running = None

    def go_on(self) -> None:
        """Probe again after a `stop`."""
        self._wait()

    def _wait(self) -> None:
        pause = self.health.pause(self._check, time.time_ns(), self._started)
        self._timer = self._server.loop.after(pause / _SECOND, self._probe)

    def _probe(self) -> None:
        self._began, self._late, self._output = time.time_ns(), False, b""
        report, theirs = wire.pair()
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        rest = self._rest()
        try:
            streams = [null, writer, writer]
            pid, pidfd = children.enter(self._process, theirs.fileno(), streams, rest)
        except OSError:
            pid, pidfd = -1, -1
        finally:
            theirs.close()
            os.close(rest[0])
            os.close(writer)
            os.close(null)
        loop = self._server.loop
        loop.watch(self._reader, lambda _: self._read())
        if pid < 0:
            self._over(report, 125)
            return
        self._running = self._server.attend(
            pid, pidfd, lambda status: self._over(report, _code(status))
        )
        self._timer = loop.after(self._check.timeout / _SECOND, self._too_long)

    def _read(self) -> None:
        try:
            data = os.read(self._reader, 65536)
        except BlockingIOError:
            return
        self._output = (self._output + data)[:MOST_OUTPUT]
        if not data:
            self._close_output()

    def _close_output(self) -> None:
        if self._reader >= 0:
            self._server.loop.forget(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _too_long(self) -> None:
        self._late = True
        if self._running is not None:
            self._running.kill()

    def _over(self, report: _socket.socket, code: int) -> None:
        self._server.loop.cancel(self._timer)
        self._running = None
        if self._reader >= 0:
            self._read()
            self._close_output()
        output = self._output.decode("utf-8", "replace")
        failure = _failure(report)
        report.close()
        if failure:
            output = failure
        if self._late:
            seconds = self._check.timeout / _SECOND
            code, output = -1, f"Health check exceeded timeout ({seconds:g}s)"
        result = Result(self._began, time.time_ns(), code, output)
        self.health = self.health.after(result, self._check, self._started)
        self._changed(self.health)
        self._wait()


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _failure(report: _socket.socket) -> str:
    """Why a probe's command could not start, or ""."""
    report.setblocking(False)
    while True:
        try:
            data, fds = wire.receive(report)
        except OSError:
            return ""
        for fd in fds:
            os.close(fd)
        if not data:
            return ""
        message = wire.load(data)
        if "error" in message:
            return str(message["text"])
