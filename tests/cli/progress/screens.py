"""A terminal for tests: a real pty, and what is on its screen by an emulator."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import pyte

PATIENCE = 20.0


class Glass:
    """What a person sees on a terminal of some size, and all that was ever sent."""

    def __init__(self, columns: int, rows: int, encoding: str = "utf-8") -> None:
        self._master, self.slave = os.openpty()
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._emulator = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.sent = b""
        self.writes = 0
        self._set_size(columns, rows)
        self.stream: TextIO = os.fdopen(
            self.slave, "w", encoding=encoding, errors="replace"
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _set_size(self, columns: int, rows: int) -> None:
        size = struct.pack("4H", rows, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._screen.resize(rows, columns)
            self._set_size(columns, rows)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 1 << 16):
                with self._lock:
                    self.sent += data
                    self.writes += 1
                    self._emulator.feed(data)

    @property
    def lines(self) -> list[str]:
        """What is on the glass, without the empty lines at its end."""
        with self._lock:
            lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def cursor_is_hidden(self) -> bool:
        return bool(self._screen.cursor.hidden)

    def wait_for(self, seen: Callable[[list[str]], bool]) -> list[str]:
        """The lines, once they are as wanted."""
        end = time.monotonic() + PATIENCE
        while not seen(self.lines):
            assert time.monotonic() < end, "\n".join(self.lines)
            time.sleep(0.01)
        return self.lines

    def close(self) -> list[str]:
        """The lines that are left in the end."""
        self.stream.close()
        self._reader.join()
        os.close(self._master)
        return self.lines


@contextlib.contextmanager
def glass(columns: int, rows: int, encoding: str = "utf-8") -> Iterator[Glass]:
    made = Glass(columns, rows, encoding)
    try:
        yield made
    finally:
        if not made.stream.closed:
            made.close()
