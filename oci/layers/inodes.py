"""Inodes as an archive's entries describe them, made by directory descriptor.

Nothing here follows a link or opens what was there before: files are created with
O_EXCL, and everything is done in the directory that the caller has opened.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.errors import InvalidArchive, StoreError
from lamina.oci.files.ids import has_one_id
from lamina.oci.layers.changeset import is_exported, is_overlays
from lamina.oci.tar.header import (
    BLOCK_DEVICE,
    CHARACTER,
    FIFO,
    SYMLINK,
    Entry,
)
from lamina.oci.tar.member_name import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Mode bits that creating a file may not set: set-id, and sticky on a file.
_SPECIAL = 0o7000
NODES = {
    CHARACTER: stat.S_IFCHR,
    BLOCK_DEVICE: stat.S_IFBLK,
    FIFO: stat.S_IFIFO,
}


class Inodes:
    """Makes inodes; knows what a new one has without being told, to save the calls.

    `owners` says when to set them: "differing" from this process's, "always" (where
    a directory that is there may pass its group on), "never" (not root). Where there is
    but one id, that is everybody's.
    """

    def __init__(self, owners: str = "differing") -> None:
        self._own = (os.geteuid(), os.getegid())
        self._owners = "never" if has_one_id() else owners
        self._masked = _umask() | _SPECIAL

    def _is_owned(self, entry: Entry) -> bool:
        """Whether a new inode has the right owner, or has to do without."""
        if self._owners == "differing":
            return (entry.uid, entry.gid) == self._own
        return self._owners == "never"

    def file(
        self, directory: int, name: bytes, entry: Entry, pieces: Iterable[memoryview]
    ) -> None:
        """A regular file with the content that `pieces` put together are."""
        fd = os.open(name, _CREATE, entry.mode & 0o777, dir_fd=directory)
        try:
            if entry.extents is None:
                for piece in pieces:
                    _write(fd, piece)
            else:
                _write_extents(fd, entry, pieces)
            # chown takes away set-id bits and capabilities, so these come after it.
            if not self._is_owned(entry):
                os.fchown(fd, entry.uid, entry.gid)
            if entry.mode & self._masked:
                os.fchmod(fd, entry.mode)
            if entry.xattrs:
                _set_attributes(fd, entry.xattrs)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def symlink(self, directory: int, name: bytes, entry: Entry) -> None:
        if not entry.link:
            raise InvalidArchive(f"The link {show(entry.name)} has no target.")
        os.symlink(entry.link, name, dir_fd=directory)
        self._finish_special(directory, name, entry)

    def node(self, directory: int, name: bytes, entry: Entry) -> bool:
        """A device or a FIFO; false for a device that this user may not make.

        In a user namespace nobody may (EPERM); Docker and Podman leave it out, too.
        """
        if entry.kind == CHARACTER and entry.device == (0, 0):
            raise InvalidArchive(
                f"The archive has the device 0:0 at {show(entry.name)}, which is"
                " overlayfs's own mark of what is deleted."
            )
        mode = entry.mode | NODES[entry.kind]
        try:
            os.mknod(name, mode, os.makedev(*entry.device), dir_fd=directory)
        except PermissionError:
            if entry.kind == FIFO:
                raise
            return False
        self._finish_special(directory, name, entry)
        return True

    def directory(self, directory: int, name: bytes, entry: Entry) -> None:
        """A new directory, with neither its time nor its set-id bits yet."""
        os.mkdir(name, entry.mode & 0o777, dir_fd=directory)
        if (
            entry.mode & self._masked & 0o1777
            or entry.xattrs
            or self._owners != "differing"
            or not self._is_owned(entry)
        ):
            self.dress(directory, name, entry)

    def dress(self, directory: int, name: bytes, entry: Entry) -> None:
        """Give the directory `name`, which is there, the entry's owner and mode.

        Its set-id bits come last (`finish_directory`): a set-group-id directory
        would pass its group on to what is made in it.
        """
        fd = os.open(name, _DIRECTORY, dir_fd=directory)
        try:
            if self._owners != "never":
                os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode & 0o1777)
            _set_attributes(fd, entry.xattrs)
        finally:
            os.close(fd)

    def finish_directory(
        self, directory: int, name: bytes, mode: int, mtime: int
    ) -> None:
        """What only lasts when nothing is put into the directory any more."""
        if mode & (stat.S_ISUID | stat.S_ISGID):
            fd = os.open(name, _DIRECTORY, dir_fd=directory)
            try:
                os.fchmod(fd, mode)
            finally:
                os.close(fd)
        os.utime(name, ns=(mtime, mtime), dir_fd=directory, follow_symlinks=False)

    def _finish_special(self, directory: int, name: bytes, entry: Entry) -> None:
        if not self._is_owned(entry):
            os.chown(
                name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False
            )
        # The node was made just now and is no link, so chmod, which follows, is safe.
        if entry.kind != SYMLINK and entry.mode & self._masked:
            os.chmod(name, entry.mode, dir_fd=directory)
        times = (entry.mtime, entry.mtime)
        os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)


def translate(
    error: OSError, name: bytes, where: str = ""
) -> StoreError | InvalidArchive:
    """An OSError of unpacking the member `name` (below `where`) as a sentence."""
    shown = show(name)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        disk = f"the disk that holds {where}" if where else "the disk"
        return StoreError(
            f"No space left on {disk}: {shown} cannot be unpacked.",
            hint="`lamina system df` shows what the store uses, "
            "`lamina system prune` frees what nothing needs.",
        )
    if error.errno == errno.EINVAL:
        return StoreError(
            f"{shown} cannot have its owner here: the id is not mapped.",
            hint="Give the user a wider range in /etc/subuid and /etc/subgid.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return InvalidArchive(f"The name {shown} in the archive is too long.")
    return StoreError(f"{shown} cannot be unpacked: {error.strerror}.")


def unknown_kind(entry: Entry) -> InvalidArchive:
    return InvalidArchive(
        f"{show(entry.name)} in the archive is of an unknown kind, {entry.kind!r}."
    )


def bad_link(path: bytes, target: bytes) -> InvalidArchive:
    return InvalidArchive(
        f"{show(path)} in the archive is a hard link to {show(target)}, which is no"
        " file in it.",
        hint="It could be one of this machine; nothing was kept.",
    )


def _umask() -> int:
    """The process's umask, read rather than set and set back: there are threads."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o777


def _write(fd: int, piece: memoryview) -> None:
    written = os.write(fd, piece) if piece else 0
    while written < len(piece):
        written += os.write(fd, piece[written:])


def _write_extents(fd: int, entry: Entry, pieces: Iterable[memoryview]) -> None:
    """Put stored data where it belongs in a sparse file; the rest stays holes."""
    os.ftruncate(fd, entry.size)
    assert entry.extents is not None
    extents = iter(entry.extents)
    at = left = 0
    for piece in pieces:
        while piece:
            if not left:
                at, left = next(extents)
            part = piece[:left]
            _write_at(fd, part, at)
            at += len(part)
            left -= len(part)
            piece = piece[len(part) :]  # noqa: PLW2901


def _write_at(fd: int, piece: memoryview, at: int) -> None:
    while piece:
        written = os.pwrite(fd, piece, at)
        at += written
        piece = piece[written:]


def _set_attributes(fd: int, xattrs: Mapping[str, bytes]) -> None:
    """Set what belongs to the file. A file system or a user namespace that can't
    hold one (ENOTSUP, EPERM) goes without, as in containerd and Podman."""
    for name, data in xattrs.items():
        if is_overlays(name):
            raise InvalidArchive(
                f"The archive sets the attribute {name!r}, which is overlayfs's own."
            )
        if not is_exported(name):
            continue
        try:
            os.setxattr(fd, name, data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EINVAL):
                raise InvalidArchive(
                    f"The attribute {name!r} in the archive is damaged or too large."
                ) from error
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
