"""A container that its keeper keeps, as this process watches it."""

from __future__ import annotations

import _socket
import os

from lamina.runtime.containers.console import Ends
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.failures import failure
from lamina.runtime.isolation.sandbox import ExitStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SIGKILL = 9


class Pipes:
    """The pipes between a client and the keeper: `ends` are ours, by the streams that
    the client wants; `theirs` go to the keeper."""

    def __init__(self, streams: Iterable[str]) -> None:
        self.streams = tuple(streams)
        ours: dict[str, int] = {}
        given = []
        for name in self.streams:
            reader, writer = os.pipe()
            ours[name] = writer if name == "stdin" else reader
            given.append(reader if name == "stdin" else writer)
        self.ends = Ends(**ours)
        self.theirs = tuple(given)

    def close_theirs(self) -> None:
        """The keeper has them now."""
        for fd in self.theirs:
            os.close(fd)


class Attached:
    """The watched container: `started`, then a Session with it, then `wait`.

    `ends` are our ends of its streams.
    """

    # It has one, but the keeper holds that.
    terminal: int | None = None
    # What it wrote comes through the keeper, to the last byte.
    is_kept = True

    def __init__(self, line: _socket.socket, ends: Ends) -> None:
        self.ends = ends
        self.created: tuple[Any, ...] = ()
        self._line = line
        self._status: ExitStatus | None = None

    def started(self) -> None:
        """Wait until its command is executed; raises what kept it from that."""
        data, _ = wire.receive(self._line)
        if not data:
            raise ContainerError(
                "The process that keeps the container was killed.",
                hint="The kernel may have run out of memory: see `dmesg`.",
            )
        message = wire.load(data)
        if "error" in message:
            raise failure(message)
        self.created = message["started"]["created"]

    def fileno(self) -> int:
        """Readable once it has ended."""
        return self._line.fileno()

    def wait(self) -> ExitStatus:
        """Wait for the end. Raises ContainerError when the keeper was killed."""
        if self._status is None:
            data, _ = wire.receive(self._line)
            if not data:
                raise ContainerError("The process that keeps the container was killed.")
            self._status = ExitStatus(wire.load(data)["status"])
        return self._status

    def kill(self, signal: int = _SIGKILL) -> None:
        """Signal its first process; nothing when that has ended."""
        wire.tell(self._line, {"signal": int(signal)})

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size."""
        wire.tell(self._line, {"resize": (rows, columns)})

    def detach(self) -> None:
        """Watch it no more, and let it live on."""
        wire.tell(self._line, {"detach": True})

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()
