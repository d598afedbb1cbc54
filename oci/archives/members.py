"""Members: the files of an image archive, by name, wherever they lie.

An archive is a tar or a folder. A tar's members may come in any order and a pipe
cannot be read twice, so what is no plain file on disk is first written to one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from lamina.oci.archives.extents import Extent, scan
from lamina.oci.errors import InvalidArchive
from lamina.oci.files.workspace import space_error
from lamina.oci.files.writing import write_all
from lamina.oci.tar.header import BLOCK, parse_header

if TYPE_CHECKING:
    from lamina.oci.files.workspace import Workspace

Read = Callable[[int], bytes]

_CHUNK = 1 << 20
_MAX_LINKS = 8
_ENTRY = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Members(Protocol):
    """Files by name; threads may read several at once."""

    def __contains__(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """Bytes of the file; raises InvalidArchive when it is not there."""
        ...

    def open(self, name: str) -> AbstractContextManager[Read]:
        """A function that reads on from the start of the file, for a `with`."""
        ...

    def close(self) -> None: ...


def read_member(members: Members, name: str, limit: int) -> bytes:
    """A whole small file; raises InvalidArchive when it is larger than `limit`."""
    size = members.size(name)
    if size > limit:
        raise InvalidArchive(
            f"{name!r} in the archive has {size} bytes; more than {limit} are not read."
        )
    parts = []
    with members.open(name) as read:
        while part := read(_CHUNK):
            parts.append(part)
    return b"".join(parts)


def open_members(path: str, workspace: Workspace) -> Members:
    """The files of the archive at `path`: a folder, a tar, a compressed tar.

    Raises InvalidArchive for what is none of these.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidArchive(f"{path!r} cannot be read: {error.strerror}.") from error
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        return FolderMembers(descriptor)
    try:
        return stream_members(descriptor, workspace)
    finally:
        os.close(descriptor)


def stream_members(descriptor: int, workspace: Workspace) -> TarMembers:
    """The files of a tar that is read from `descriptor`, which stays open."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and _is_plain_tar(descriptor):
        return TarMembers(os.dup(descriptor))
    spool = os.open(
        f"{workspace.path}/archive.tar",
        os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
        0o600,
    )
    try:
        _spool(descriptor, spool, workspace.path)
        return TarMembers(os.dup(spool))
    finally:
        os.close(spool)


def _is_plain_tar(descriptor: int) -> bool:
    """A header's checksum is right; nothing compressed has that."""
    if os.lseek(descriptor, 0, os.SEEK_CUR):
        return False
    block = os.pread(descriptor, BLOCK, 0)
    try:
        return len(block) == BLOCK and bool(parse_header(block).name)
    except InvalidArchive:
        return False


def _spool(source: int, spool: int, where: str) -> None:
    """Copy a stream to a file, without what compresses it."""
    from lamina.oci.streams.compression import open_stream

    read = open_stream(lambda size: os.read(source, size))
    try:
        while data := read(_CHUNK):
            write_all(spool, data)
    except OSError as error:
        raise space_error(error, where) from error


class FolderMembers:
    """The files below a folder; names lead nowhere else."""

    def __init__(self, descriptor: int) -> None:
        self._root = descriptor

    def __contains__(self, name: str) -> bool:
        try:
            self.size(name)
        except InvalidArchive:
            return False
        return True

    def size(self, name: str) -> int:
        descriptor = self._open(name)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Read]:
        descriptor = self._open(name)
        try:
            yield lambda size: os.read(descriptor, size)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        os.close(self._root)

    def _open(self, name: str) -> int:
        checked = check_name(name)
        try:
            descriptor = os.open(checked, _ENTRY, dir_fd=self._root)
        except OSError as error:
            raise _missing(name) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InvalidArchive(f"{name!r} in the archive is not a file.")
        return descriptor


class TarMembers:
    """The files of a tar on disk. Nothing in it is a path to this class."""

    def __init__(self, descriptor: int) -> None:
        self._tar = descriptor
        try:
            self._extents = scan(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def __contains__(self, name: str) -> bool:
        return name in self._extents

    def size(self, name: str) -> int:
        return self._find(name).size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Read]:
        extent = self._find(name)
        yield _ExtentReader(self._tar, extent.offset, extent.size).read

    def close(self) -> None:
        os.close(self._tar)

    def _find(self, name: str) -> Extent:
        """The bytes behind a name; `docker save` of old wrote links for twins."""
        wanted = check_name(name)
        for _ in range(_MAX_LINKS):
            extent = self._extents.get(wanted)
            if extent is None:
                raise _missing(name)
            if not extent.link:
                return extent
            wanted = extent.link
        raise InvalidArchive(f"The links of {name!r} in the archive go in a circle.")


class _ExtentReader:
    """Reads on in a part of a file, whatever other threads read in it."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._end = offset + size

    def read(self, size: int) -> bytes:
        wanted = min(size, self._end - self._offset)
        data = os.pread(self._descriptor, wanted, self._offset) if wanted else b""
        self._offset += len(data)
        return data


def check_name(name: str) -> str:
    """The name of a member; raises InvalidArchive for one that leads elsewhere."""
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "\0" in name:
        raise InvalidArchive(
            f"The archive names the file {name[:120]!r}, which is not in it.",
            hint="Absolute names and `..` have no place in an image's archive.",
        )
    return name


def _missing(name: str) -> InvalidArchive:
    return InvalidArchive(
        f"The archive has no file {name[:120]!r}.",
        hint="It is incomplete; save or download it again.",
    )
