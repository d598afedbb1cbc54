"""The bytes of one file into another: shared, copied in the kernel, or by hand."""

from __future__ import annotations

import errno
import fcntl
import os
from hashlib import sha256

from lamina.oci.files.writing import write_all

# linux/fs.h
_FICLONE = 0x40049409
_SMALL = 1 << 16
_CHUNK = 1 << 24
_HOLES = 1 << 20
# What says "not between these two files", as opposed to a failure.
_UNABLE = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS}
)


class Transfer:
    """Copies content, and remembers which ways failed so as not to try them again."""

    def __init__(self, *, clone: bool = True, in_kernel: bool = True) -> None:
        self._clone = clone
        self._in_kernel = in_kernel

    def copy(self, source: int, target: int, size: int) -> None:
        """Fill the empty file `target` with the `size` bytes of `source`.

        Both are at their start. Holes of large files stay holes.
        """
        if size <= _SMALL:
            data = os.read(source, size)
            if len(data) == size and os.write(target, data) == size:
                return
            os.lseek(source, 0, os.SEEK_SET)
            os.ftruncate(target, 0)
            os.lseek(target, 0, os.SEEK_SET)
        if self._clone and self._cloned(source, target):
            return
        if size >= _HOLES and os.fstat(source).st_blocks * 512 < size:
            self._extents(source, target, size)
        else:
            self._range(source, target, size)

    def _cloned(self, source: int, target: int) -> bool:
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
            self._clone = False
            return False
        return True

    def _extents(self, source: int, target: int, size: int) -> None:
        at = 0
        while at < size:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            end = os.lseek(source, at, os.SEEK_HOLE)
            os.lseek(source, at, os.SEEK_SET)
            os.lseek(target, at, os.SEEK_SET)
            self._range(source, target, end - at)
            at = end
        os.ftruncate(target, size)

    def _range(self, source: int, target: int, size: int) -> None:
        """Copy from where both files are; ends early where `source` does."""
        while size > 0:
            count = self._some(source, target, min(size, _CHUNK))
            if count == 0:
                return
            size -= count

    def _some(self, source: int, target: int, size: int) -> int:
        if self._in_kernel:
            try:
                return os.copy_file_range(source, target, size)
            except OSError as error:
                if error.errno not in _UNABLE:
                    raise
                self._in_kernel = False
        data = os.read(source, min(size, 1 << 20))
        write_all(target, data)
        return len(data)


def digest_of_written(target: int) -> bytes:
    """The sha256 of what a file opened for reading and writing now holds."""
    os.lseek(target, 0, os.SEEK_SET)
    content = sha256()
    while data := os.read(target, 1 << 20):
        content.update(data)
    return content.digest()
