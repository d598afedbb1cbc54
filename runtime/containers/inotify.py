"""Waiting until a file changes: inotify(7), by ctypes."""

from __future__ import annotations

import ctypes
import os
import select
import time

_library = ctypes.CDLL(None, use_errno=True)
_MODIFY, _MOVED_TO, _CREATE, _DELETE_SELF, _MOVE_SELF = 0x2, 0x80, 0x100, 0x400, 0x800
_MASK = _MODIFY | _MOVED_TO | _CREATE | _DELETE_SELF | _MOVE_SELF
# How often to look where the kernel gives no more instances or watches, in seconds.
_PACE = 0.1


class Changes:
    """Changes of files, and of those in folders; those since the last `wait` count."""

    def __init__(self) -> None:
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        self._fd: int = _library.inotify_init1(flags)

    def watch(self, path: str) -> None:
        """Watch a file or a folder, until it is deleted."""
        encoded = os.fsencode(path)
        if self._fd >= 0 and _library.inotify_add_watch(self._fd, encoded, _MASK) < 0:
            self.close()

    def wait(self, seconds: float | None, process: int | None = None) -> None:
        """Wait for a change, `seconds` at most, or for the end of a process (a pidfd);
        it may also return without any."""
        if self._fd < 0:
            time.sleep(_PACE if seconds is None else min(_PACE, max(seconds, 0)))
            return
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if process is not None:
            poll.register(process, select.POLLIN)
        poll.poll(None if seconds is None else max(seconds, 0) * 1000)
        try:
            os.read(self._fd, 65536)
        except BlockingIOError:
            return

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
