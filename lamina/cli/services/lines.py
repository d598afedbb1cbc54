"""Lines of several containers, one below the other: `web-1  | text`."""

from __future__ import annotations

import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.runtime.containers.logs import Record

# As docker compose goes through them; red is for what is wrong.
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Lines:
    """Writes whole lines, from any thread. What a container has not ended with a line
    feed is held until it has, or until its last word.

    `names` are those that are known, so that all texts begin in one column; `before` is
    called before something is written.
    """

    def __init__(
        self,
        names: Iterable[str],
        prefix: bool = True,
        colour: bool = True,
        timestamps: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._prefix = prefix
        self._colour = colour and sys.stdout.isatty()
        self._timestamps = timestamps
        self._before = before
        self._lock = threading.Lock()
        self._width = max((len(name) for name in names), default=0)
        self._colours: dict[str, int] = {}
        self._held: dict[tuple[str, str], bytes] = {}

    def show(self, name: str, record: Record) -> None:
        """What a container wrote."""
        if record.lost:
            self.say(name, f"{record.lost} lines were not kept: the disk was full")
            return
        with self._lock:
            key = (name, record.stream)
            whole, feed, rest = (self._held.pop(key, b"") + record.log).rpartition(
                b"\n"
            )
            if rest:
                self._held[key] = rest
            if feed:
                self._write(name, whole.split(b"\n"), record.time)

    def end(self, name: str) -> None:
        """A container has said its last word."""
        with self._lock:
            for key in [key for key in self._held if key[0] == name]:
                self._write(name, [self._held.pop(key)], "")

    def say(self, name: str, text: str) -> None:
        """A line about a container, which is not its own."""
        with self._lock:
            self._write(name, [text.encode("utf-8", "surrogateescape")], "")

    def _write(self, name: str, lines: list[bytes], time: str) -> None:
        head = self._head(name) if self._prefix else b""
        stamp = f"{time} ".encode() if self._timestamps and time else b""
        data = b"".join(head + stamp + line + b"\n" for line in lines)
        self._before()
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def _head(self, name: str) -> bytes:
        self._width = max(self._width, len(name))
        text = f"{name.ljust(self._width)}  | "
        if self._colour:
            number = self._colours.setdefault(
                name, _COLOURS[len(self._colours) % len(_COLOURS)]
            )
            text = f"\x1b[{number}m{text}\x1b[0m"
        return text.encode()
