"""A file or directory as a tar, read by descriptor: what `cp` sends.

Nothing is followed but the directories themselves; files, links, pipes and devices come
as they are, with their other names as hard links, and with the attributes asked for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.tar.header import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    format_header,
)
from lamina.values import EMPTY, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CHUNK = 1 << 20
# Each takes a descriptor, and two of Python's frames.
_MOST_DEPTH = 400
_KINDS = {
    stat.S_IFREG: REGULAR,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}


@value
class Wanted:
    """What of a tree goes into its tar.

    `mode` masks modes; `xattrs` are names, or their beginnings up to a dot. Of a
    directory for which `closed` holds (it gets a descriptor) nothing is read.
    """

    mode: int = 0o7777
    devices: bool = True
    xattrs: tuple[str, ...] = ("user.", "security.capability")
    closed: Callable[[int], bool] = lambda _: False


class TreeTar:
    """Iterate for the bytes of the archive; `skipped` counts devices left out, and
    `bytes` what has come so far."""

    def __init__(self, parent: int, name: str, shown: str, wanted: Wanted) -> None:
        """What is called `name` in the directory `parent` is called `shown` in it."""
        self.skipped = 0
        self.bytes = 0
        self._parent = parent
        self._name = os.fsencode(name)
        self._shown = os.fsencode(shown)
        self._wanted = wanted
        self._seen: dict[tuple[int, int], bytes] = {}

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._entry(self._parent, self._name, self._shown):
            self.bytes += len(piece)
            yield piece
        self.bytes += 2 * BLOCK
        yield bytes(2 * BLOCK)

    def _entry(self, parent: int, name: bytes, shown: bytes) -> Iterator[bytes]:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return  # a socket is nothing without who listens
        if kind in (CHARACTER, BLOCK_DEVICE) and not self._wanted.devices:
            self.skipped += 1
            return
        if kind == DIRECTORY:
            yield from self._directory(parent, name, shown)
            return
        first = self._seen.get((status.st_dev, status.st_ino))
        if first is not None:
            yield self._header(status, HARD_LINK, shown, link=first)
            return
        if status.st_nlink > 1:
            self._seen[(status.st_dev, status.st_ino)] = shown
        if kind == REGULAR:
            yield from self._file(parent, name, shown)
        else:
            link = os.readlink(name, dir_fd=parent) if kind == SYMLINK else b""
            yield self._header(status, kind, shown, link=link)

    def _directory(self, parent: int, name: bytes, shown: bytes) -> Iterator[bytes]:
        if shown.count(b"/") > _MOST_DEPTH:
            text = f"directories are nested more than {_MOST_DEPTH} deep"
            raise OSError(errno.ENAMETOOLONG, text)
        fd = os.open(name, _FOLDER, dir_fd=parent)
        try:
            status = os.fstat(fd)
            xattrs = self._xattrs(fd)
            yield self._header(status, DIRECTORY, shown + b"/", xattrs=xattrs)
            if self._wanted.closed(fd):
                return
            for inner in sorted(map(os.fsencode, os.listdir(fd))):
                # It may go while we are at it.
                with contextlib.suppress(FileNotFoundError):
                    yield from self._entry(fd, inner, shown + b"/" + inner)
        finally:
            os.close(fd)

    def _file(self, parent: int, name: bytes, shown: bytes) -> Iterator[bytes]:
        fd = os.open(name, _FILE, dir_fd=parent)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return  # it was replaced since it was looked at
            size = status.st_size
            xattrs = self._xattrs(fd)
            yield self._header(status, REGULAR, shown, size=size, xattrs=xattrs)
            left = size
            while left:
                # What became shorter is filled up: its size is said already.
                data = os.read(fd, min(left, _CHUNK)) or bytes(min(left, _CHUNK))
                left -= len(data)
                yield data
            yield bytes(-size % BLOCK)
        finally:
            os.close(fd)

    def _xattrs(self, fd: int) -> Mapping[str, bytes]:
        wanted = self._wanted.xattrs
        try:
            names = [n for n in os.listxattr(fd) if _is_wanted(n, wanted)]
            return {name: os.getxattr(fd, name) for name in names}
        except OSError:
            return EMPTY  # a file system without, or one that went meanwhile

    def _header(
        self,
        status: os.stat_result,
        kind: bytes,
        shown: bytes,
        *,
        size: int = 0,
        link: bytes = b"",
        xattrs: Mapping[str, bytes] = EMPTY,
    ) -> bytes:
        rdev = status.st_rdev if kind in (CHARACTER, BLOCK_DEVICE) else 0
        entry = Entry(
            name=shown,
            kind=kind,
            mode=stat.S_IMODE(status.st_mode) & self._wanted.mode,
            uid=status.st_uid,
            gid=status.st_gid,
            size=size,
            mtime=status.st_mtime_ns,
            link=link,
            device=(os.major(rdev), os.minor(rdev)),
            xattrs=xattrs,
            stored=size,
            extents=None,
        )
        return format_header(entry, status.st_mtime_ns)[0]


def _is_wanted(name: str, wanted: tuple[str, ...]) -> bool:
    return any(
        name.startswith(one) if one[-1] == "." else name == one for one in wanted
    )
