"""Keys: what is typed while one watches, one at a time and without Enter."""

from __future__ import annotations

import os
import select
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REBUILD, RERUN, SHELL, EXPLAIN, OPEN, QUIT = "r", "R", "s", "e", "o", "q"


class Keys:
    """Reads the terminal `descriptor` from `start` until `stop`, as often as one likes;
    `pressed` is called with each key. Ctrl-C stays a signal."""

    def __init__(self, descriptor: int, pressed: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._pressed = pressed
        self._before: list[object] | None = None
        self._thread: threading.Thread | None = None
        self._wake = self._end = -1

    def start(self) -> None:
        """Read keys."""
        import termios
        import tty

        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._read, name="lamina-keys")
        self._thread.start()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        import termios

        if self._thread is None:
            return
        os.close(self._end)
        self._thread.join()
        os.close(self._wake)
        self._thread = None
        try:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]
        except termios.error:
            return

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(self._wake, 0)
        while True:
            ready = dict(poll.poll())
            if self._wake in ready:
                return
            try:
                data = os.read(self._descriptor, 64)
            except OSError:
                return
            if not data:
                return
            for key in data.decode("ascii", "replace"):
                self._pressed(key)
