"""Directories below a root, by path, opened one name at a time and through no link.

What is opened stays open for a while: the members of an archive come sorted, so the
next one nearly always lies in a directory that was just used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    # Makes the directory `name` in the one that is open; the last is its whole path.
    # Raises InvalidArchive when something else has that name.
    Make = Callable[[int, bytes, bytes], None]

_OPEN = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_OPEN = 128


class Directories:
    """Descriptors of the directories below `root`, which stays the caller's."""

    def __init__(self, root: int, make: Make | None = None) -> None:
        self._root = root
        self._make = make
        self._open: dict[bytes, int] = {}

    def open(self, path: bytes) -> int:
        """A descriptor (O_PATH) of the directory at `path`, "" for the root itself.

        It is good until the next call. What `make` does not make, or cannot, raises:
        FileNotFoundError, or NotADirectoryError for a link or a file on the way.
        """
        if not path:
            return self._root
        found = self._open.get(path)
        if found is not None:
            return found
        near, start = self._nearest(path)
        fd = self._descend(start, near, path)
        if len(self._open) >= _MAX_OPEN:
            self.close()
        self._open[path] = fd
        return fd

    def close(self) -> None:
        """Close everything; what is asked for next is opened anew."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def _nearest(self, path: bytes) -> tuple[bytes, int]:
        """The deepest directory on the way to `path` that is open."""
        while path := path.rpartition(b"/")[0]:
            found = self._open.get(path)
            if found is not None:
                return path, found
        return b"", self._root

    def _descend(self, start: int, near: bytes, path: bytes) -> int:
        """Open name after name from `start`, closing what lies between."""
        fd = start
        at = near
        for name in path[len(near) :].lstrip(b"/").split(b"/"):
            below = at + b"/" + name if at else name
            try:
                inner = self._enter(fd, name, below)
            finally:
                if fd != start:
                    os.close(fd)
            fd, at = inner, below
        return fd

    def _enter(self, fd: int, name: bytes, path: bytes) -> int:
        try:
            return os.open(name, _OPEN, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            if self._make is None:
                raise
        self._make(fd, name, path)
        return os.open(name, _OPEN, dir_fd=fd)
