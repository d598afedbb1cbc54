"""Contents: which of the saved files have other content than when last looked at.

An editor that saves twice, a tool that touches, a file that is written to be as it was:
events tell of all of them, and nothing has changed.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# More files than these are a checkout, and larger ones are not read for this: that
# they were saved is enough then.
_MOST_FILES = 256
_LARGEST = 4 << 20
# How many are remembered.
_MOST_KNOWN = 4096


class Contents:
    """Remembers what it saw. `changed` looks at files, and is quick: 20 µs each."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def changed(self, paths: Iterable[str]) -> frozenset[str]:
        """Those that are not as they were when they were asked for before."""
        asked = frozenset(paths)
        if len(asked) > _MOST_FILES:
            for path in asked:
                self._known.pop(path, None)
            return asked
        return frozenset(path for path in asked if self._differs(path))

    def _differs(self, path: str) -> bool:
        now = _digest(path)
        before = self._known.pop(path, None)
        if now:
            self._known[path] = now
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return not now or now != before


def _digest(path: str) -> bytes:
    """What a build would see of a file; b"" for one that is not looked at."""
    try:
        status = os.lstat(path)
    except OSError:
        return b"gone"
    head = b"%o " % status.st_mode
    if stat.S_ISLNK(status.st_mode):
        return head + os.fsencode(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return head
    if status.st_size > _LARGEST:
        return b""
    try:
        with open(path, "rb") as file:
            return head + sha256(file.read(_LARGEST + 1)).digest()
    except OSError:
        return b""
