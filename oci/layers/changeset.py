"""A changeset directory: what a step left behind, as overlayfs marks it.

An overlay's upper directory holds what is new or changed, a character device 0:0
for what is deleted (a whiteout), and the attribute `overlay.opaque` on a directory
that hides all below it (kernel, Documentation/filesystems/overlayfs.rst). In a tar
these are `.wh.NAME` and `.wh..wh..opq` (image-spec, layer.md, "Whiteouts").
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.errors import InvalidArchive, StoreError
from lamina.oci.tar.member_name import WHITEOUT
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# How many directories, one in the other, are open at a time.
_MAX_OPEN = 64


@value
class Member:
    """A name in a changeset. `directory` is the descriptor of the directory it is
    in, `own` of itself when it is one; both are open until the next member."""

    path: bytes
    name: bytes
    directory: int
    own: int
    status: os.stat_result
    whiteout: bool


@value
class Change:
    """A line of a diff. `kind` is "deleted", "directory", "opaque" (a directory that
    hides what was below it) or "file"; who knows the layers below can tell whether
    what is not deleted was added or modified."""

    path: str
    kind: str


class _Level:
    """A directory that the walk is in; its names are taken from the end."""

    def __init__(self, fd: int, status: os.stat_result, prefix: bytes) -> None:
        self.fd = fd
        self.identity = (status.st_dev, status.st_ino)
        self.prefix = prefix
        try:
            self.whiteouts, self.names = _names(fd)
        except BaseException:
            os.close(fd)
            raise


def walk(root: str) -> Iterator[Member]:
    """All below `root`, a directory before what is in it, its whiteouts first and
    then its names in bytewise order. Sockets are left out, as in every image."""
    top = os.open(root, _DIRECTORY)
    levels = [_Level(top, os.fstat(top), b"")]
    try:
        while levels:
            level = levels[-1]
            whiteout = bool(level.whiteouts)
            if not whiteout and not level.names:
                _leave(levels)
                continue
            name = (level.whiteouts or level.names).pop()
            path = level.prefix + name
            try:
                status = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode):
                    yield Member(path, name, level.fd, -1, status, whiteout)
                    continue
                inner = os.open(name, _DIRECTORY, dir_fd=level.fd)
            except FileNotFoundError:
                continue  # a container that runs on has just removed it
            levels.append(_Level(inner, status, path + b"/"))
            yield Member(path, name, level.fd, inner, status, False)
            if len(levels) > _MAX_OPEN:
                _suspend(levels[-_MAX_OPEN])
    finally:
        for level in levels:
            _suspend(level)


def _suspend(level: _Level) -> None:
    if level.fd >= 0:
        os.close(level.fd)
        level.fd = -1


def _leave(levels: list[_Level]) -> None:
    """Go up; a directory far above was closed and is reached by `..`."""
    left = levels.pop()
    try:
        if levels and levels[-1].fd < 0:
            above = os.open("..", _DIRECTORY, dir_fd=left.fd)
            levels[-1].fd = above
            status = os.fstat(above)
            if (status.st_dev, status.st_ino) != levels[-1].identity:
                raise StoreError("A directory was moved while a layer was made of it.")
    finally:
        os.close(left.fd)


def _names(directory: int) -> tuple[list[bytes], list[bytes]]:
    """The whiteouts and the other names, last first; sockets are neither."""
    whiteouts, names = [], []
    with os.scandir(directory) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if name.startswith(WHITEOUT):
                raise _reserved(name)
            if (
                entry.is_file(follow_symlinks=False)
                or entry.is_dir(follow_symlinks=False)
                or entry.is_symlink()
            ):
                names.append(name)
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                whiteouts.append(name)
            elif not stat.S_ISSOCK(status.st_mode):
                names.append(name)
    whiteouts.sort(reverse=True)
    names.sort(reverse=True)
    return whiteouts, names


def _reserved(name: bytes) -> InvalidArchive:
    return InvalidArchive(
        f"A file is called {name.decode('utf-8', 'replace')!r}, which no layer can"
        " hold: in one, `.wh.` before a name means that it is deleted.",
        hint="Remove or rename it in the step that makes it.",
    )


def attributes(descriptor: int) -> dict[str, bytes]:
    """All extended attributes of an open file; none where there can't be any."""
    try:
        return {n: os.getxattr(descriptor, n) for n in os.listxattr(descriptor)}
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA):
            return {}
        raise


def is_exported(attribute: str) -> bool:
    """Whether an extended attribute belongs to the file rather than to this machine.

    Overlay's own never leave; labels of a security module (SELinux, IMA, Smack) are
    this host's policy, and those of network file systems the server's.
    """
    space, _, rest = attribute.partition(".")
    if space in ("user", "trusted"):
        return not rest.startswith("overlay.")
    return attribute == "security.capability" or rest.startswith("posix_acl_")


def is_overlays(attribute: str) -> bool:
    """Whether overlayfs would take the attribute for its own."""
    return attribute.startswith(("trusted.overlay.", "user.overlay."))


def changes(root: str, xattrs: str) -> Iterator[Change]:
    """What the changeset in `root` changes, in the order of its tar.

    `xattrs` is the namespace of overlay's own attributes there, trusted or user.
    """
    for member in walk(root):
        kind = "file"
        if member.whiteout:
            kind = "deleted"
        elif member.own >= 0:
            opaque = is_opaque(attributes(member.own), xattrs)
            kind = "opaque" if opaque else "directory"
        yield Change(os.fsdecode(member.path), kind)


def is_opaque(found: dict[str, bytes], xattrs: str) -> bool:
    """Whether a directory with these attributes hides what lies below it."""
    return found.get(f"{xattrs}.overlay.opaque") == b"y"
