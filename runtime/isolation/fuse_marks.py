"""What fuse-overlayfs leaves in an upper directory, as the kernel's overlay marks it.

It makes each new directory hide what may be below, by a file `.wh..wh..opq` and an
attribute of its own, and where it may make no device it deletes by `.wh.NAME`. A
changeset has none of that: the same step gives the same layer in both ways.
"""

from __future__ import annotations

import errno
import os
import stat

from lamina.oci.tar.member_name import OPAQUE_MARKER, WHITEOUT
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The sign that fuse-overlayfs wrote an upper directory lies beside it.
_SIGN = ".fuse"
_OWN = ("user.fuseoverlayfs.", "user.containers.override_stat")
_ABSENT = (errno.ENODATA, errno.ENOTSUP)


def sign(upper: str) -> None:
    """Note that fuse-overlayfs is about to write in `upper`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    os.close(os.open(upper + _SIGN, flags, 0o600))


def settle(upper: str, lowers: tuple[str, ...], xattrs: str) -> None:
    """Make `upper`, over `lowers` with the topmost first, a changeset, if it is none.

    `xattrs` is the namespace of overlay's own attributes there, trusted or user.
    """
    if not os.path.exists(upper + _SIGN):
        return
    mark = f"{xattrs}.overlay.opaque"
    top = os.fsencode(upper)
    for place, _, files, fd in os.fwalk(top, follow_symlinks=False):
        path = os.path.relpath(place, top)
        before = os.fstat(fd)
        changed = _forget_own(fd)
        for name in files:
            if not name.startswith(WHITEOUT):
                continue
            deleted = name[len(WHITEOUT) :]
            hidden = path if name == OPAQUE_MARKER else os.path.join(path, deleted)
            if is_below(hidden, lowers, mark):
                _hide(fd, name, mark)
            os.unlink(name, dir_fd=fd)
            changed = True
        marked = place != top and mark in os.listxattr(fd)
        if marked and not is_below(path, lowers, mark):
            os.removexattr(fd, mark)
        if changed:
            os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _hide(directory: int, name: bytes, mark: str) -> None:
    """What `.wh.NAME` or `.wh..wh..opq` says, in the kernel's way."""
    if name == OPAQUE_MARKER:
        os.setxattr(directory, mark, b"y")
        return
    deleted = name[len(WHITEOUT) :]
    try:
        os.mknod(deleted, stat.S_IFCHR, os.makedev(0, 0), dir_fd=directory)
    except PermissionError:
        raise ContainerError(
            f"{os.fsdecode(deleted)!r} was deleted, which the file system that the "
            "store lies on cannot note.",
            hint="Have the store on another one (LAMINA_ROOT): not on an overlay, as "
            "the disk of a container is one, nor on a network's.",
        ) from None


def _forget_own(directory: int) -> bool:
    own = [n for n in os.listxattr(directory) if n.startswith(_OWN)]
    for name in own:
        os.removexattr(directory, name)
    return bool(own)


def is_below(path: bytes, lowers: Iterable[str], mark: str) -> bool:
    """Whether layers show something at `path`, the topmost first."""
    if path == b".":
        return True
    names = path.split(b"/")
    for lower in lowers:
        place = os.fsencode(lower)
        final = False
        for number, name in enumerate(names):
            final = final or (number > 0 and _is_opaque(place, mark))
            place = os.path.join(place, name)
            try:
                status = os.lstat(place)
            except FileNotFoundError:
                break
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return False
            if number == len(names) - 1:
                return True
            if not stat.S_ISDIR(status.st_mode):
                return False
        if final:
            return False
    return False


def _is_opaque(directory: bytes, mark: str) -> bool:
    try:
        return os.getxattr(directory, mark, follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return False
