"""Reader: the digest of one file's content, and the stamps that it is true for."""

from __future__ import annotations

import errno
import os
import stat
import time
from hashlib import sha256

from lamina.builder.errors import CopyFailed, SourceChanged
from lamina.builder.meter import Meter
from lamina.builder.sources.record import (
    CTIME,
    GID,
    MODE,
    SIZE,
    UID,
    record_of,
    unpack_record,
)
from lamina.builder.sources.stat_cache import RACY

# O_NONBLOCK: a pipe that took a file's name must not hold us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CHUNK = 1 << 20
_TRIES = 3
_CAPABILITY = "security.capability"


def is_carried(name: str, owners: bool) -> bool:
    """Whether a copy carries the extended attribute `name` along, and so digests it.

    From a stage all that an image can hold; from the context capabilities only, or an
    image would depend on a desktop's tags and download marks.
    """
    if owners:
        from lamina.oci.layers.changeset import is_exported

        return is_exported(name)
    return name == _CAPABILITY


class Reader:
    """Reads files of one tree; `name` is the tree's, for messages. `count` says how
    many entries it has read, `meter` is told of their bytes."""

    def __init__(self, name: str, *, owners: bool, meter: Meter | None = None) -> None:
        self._name = name
        self._owners = owners
        self._meter = meter or Meter(name)
        self.count = 0

    def read(
        self, directory: int, name: str, record: bytes, path: str
    ) -> tuple[bytes, bytes, bool] | None:
        """The Record, the digest that belongs to it, and whether that is racy.

        None when the file went. Raises SourceChanged for one that never rests.
        """
        self.count += 1
        for _ in range(_TRIES):
            started = time.time_ns()
            try:
                digest, after = self._attempt(directory, name, record)
            except FileNotFoundError:
                return None
            except PermissionError as error:
                raise CopyFailed(
                    f"{self._name} has a file that cannot be read: {path}.",
                    hint="Change its mode, or name it in .dockerignore.",
                ) from error
            except OSError as error:
                # It may be of another kind by now: a link that is a directory.
                after = _record_at(directory, name)
                if not after:
                    return None
                if stat.S_ISDIR(unpack_record(after)[MODE]):
                    break
                if after == record:
                    raise CopyFailed(
                        f"{path} of {self._name} cannot be read: {error.strerror}."
                    ) from error
                digest = b""
            if after == record:
                return record, digest, unpack_record(record)[CTIME] > started - RACY
            record = after
        raise self.changes(path)

    def changes(self, path: str) -> SourceChanged:
        """That something is not what it was when its directory was listed."""
        return SourceChanged(
            f"{path} of {self._name} changes while it is being read.",
            hint="Build when it is complete, or name it in .dockerignore.",
        )

    def head(self, name: str, record: bytes) -> bytes:
        """What a digest says of an entry beside its content."""
        fields = unpack_record(record)
        text = f"{fields[MODE]:o}"
        if self._owners:
            text += f" {fields[UID]}:{fields[GID]}"
        return b"%b\0%b\0" % (os.fsencode(name), text.encode())

    def directory_xattrs(self, directory: int) -> tuple[tuple[str, bytes], ...]:
        """A directory's attributes that a copy carries along."""
        return carried(directory, self._owners) if self._owners else ()

    def _attempt(self, directory: int, name: str, record: bytes) -> tuple[bytes, bytes]:
        mode = unpack_record(record)[MODE]
        if stat.S_ISREG(mode):
            fd = os.open(name, _FILE, dir_fd=directory)
            try:
                digest = digest_of(fd, unpack_record(record)[SIZE], self._meter)
                attributes = carried(fd, self._owners)
                after = record_of(os.fstat(fd))
            finally:
                os.close(fd)
            if attributes:
                digest = sha256(digest + repr(attributes).encode()).digest()
            return digest, after
        if stat.S_ISLNK(mode):
            content = os.fsencode(os.readlink(name, dir_fd=directory))
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        else:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            content = str(status.st_rdev).encode()
        return sha256(content).digest(), record_of(status)


def _record_at(directory: int, name: str) -> bytes:
    """The Record of what has the name now; b"" where nothing has."""
    try:
        return record_of(os.stat(name, dir_fd=directory, follow_symlinks=False))
    except OSError:
        return b""


def digest_of(fd: int, size: int, meter: Meter) -> bytes:
    """The sha256 of a file that is `size` long, or was."""
    data = os.read(fd, min(size + 1, _CHUNK))
    meter.add(len(data))
    if len(data) == size:
        return sha256(data).digest()
    content = sha256(data)
    while data := os.read(fd, _CHUNK):
        content.update(data)
        meter.add(len(data))
    return content.digest()


def carried(fd: int, owners: bool) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of an open file that a copy carries along, sorted."""
    try:
        names = os.listxattr(fd)
    except OSError:
        return ()
    return tuple(
        (name, os.getxattr(fd, name))
        for name in sorted(names)
        if is_carried(name, owners)
    )
