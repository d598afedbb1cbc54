"""Loop: events of one thread, which are ready descriptors and moments that come.

For the zygote's program, which may have no threads and imports little: poll(2) and a
table. A handler is called with poll's events; it may watch and forget as it likes.
"""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[int], None]

READABLE = select.POLLIN
WRITABLE = select.POLLOUT
# What poll tells whether or not it was asked for.
GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Loop:
    """Handlers by descriptor, and calls by moment (seconds of the monotonic clock)."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Handler] = {}
        self._calls: dict[int, tuple[float, Callable[[], None]]] = {}
        self._last = 0

    def watch(self, fd: int, handler: Handler, events: int = READABLE) -> None:
        """Call `handler` when `fd` is ready for `events`; 0: when it is gone only."""
        self._handlers[fd] = handler
        self._poll.register(fd, events)

    def forget(self, fd: int) -> None:
        """Call nobody for `fd` any more; it may be one that nobody watches."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def after(self, seconds: float, call: Callable[[], None]) -> int:
        """Call once, so many seconds from now; the number is for `cancel`."""
        self._last += 1
        self._calls[self._last] = (time.monotonic() + seconds, call)
        return self._last

    def cancel(self, number: int) -> None:
        """Do not call; nothing happens when that is over."""
        self._calls.pop(number, None)

    def turn(self, idle: bool = False) -> bool:
        """Wait for what comes first and handle it; with `idle` do not wait.

        False when nothing was to be done.
        """
        ready = self._poll.poll(0 if idle else self._patience())
        # What a handler forgets is not handled any more in the same turn, nor what it
        # opened in its place.
        known = [(fd, events, self._handlers.get(fd)) for fd, events in ready]
        for fd, events, handler in known:
            if handler is not None and self._handlers.get(fd) is handler:
                handler(events)
        return self._call_due() or bool(known)

    def _patience(self) -> int | None:
        """Until the next moment, in ms, rounded up; None where there is none."""
        if not self._calls:
            return None
        first = min(moment for moment, _ in self._calls.values())
        return max(0, int((first - time.monotonic()) * 1000) + 1)

    def _call_due(self) -> bool:
        now = time.monotonic()
        due = [number for number, (at, _) in self._calls.items() if at <= now]
        for number in due:
            found = self._calls.pop(number, None)
            if found is not None:
                found[1]()
        return bool(due)
