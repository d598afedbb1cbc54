"""What is told while blobs move: one callable takes these values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lamina.oci.digest import Digest
from lamina.values import value

# Seconds between two `Moved` of one blob.
_OFTEN = 0.1


@value
class Found:
    """The image that a name means: the digest of its manifest or index."""

    name: str
    digest: Digest


@value
class Moved:
    """`done` of `total` bytes of a blob are on the other side; `act` says how: pull,
    push, unpack, compress."""

    act: str
    digest: Digest
    done: int
    total: int


@value
class Ended:
    """Nothing is left to do for a blob; `outcome` says what was done: pulled, exists,
    pushed, mounted, copied; or `compressed`, and then comes the push of the result."""

    digest: Digest
    outcome: str


@value
class Noted:
    """Something that people should know."""

    text: str


Progress = Found | Moved | Ended | Noted
Tell = Callable[[Progress], None]


def nothing(_progress: Progress) -> None:
    """For who wants to know nothing."""


class Meter:
    """Counts the bytes of a blob, and tells now and then."""

    def __init__(self, tell: Tell, act: str, digest: Digest, total: int) -> None:
        self.done = 0
        self._tell = tell
        self._act = act
        self._digest = digest
        self._total = total
        self._told = 0.0
        self._lock = threading.Lock()
        tell(Moved(act, digest, 0, total))

    def add(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            self.done += count
            now = time.monotonic()
            if now - self._told < _OFTEN and self.done < self._total:
                return
            self._told = now
        self._tell(Moved(self._act, self._digest, self.done, self._total))

    def restart(self, done: int = 0) -> None:
        """A try begins again at byte `done`."""
        with self._lock:
            self.done = done
