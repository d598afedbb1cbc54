"""Copying a directory with everything in it, by descriptors: nothing is followed.

Owners, modes, times, links, devices, holes and extended attributes stay as they are;
of overlay's own marks only the opaque one, and whiteouts (char 0:0) as what they are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_FICLONE = 0x40049409
_BLOCK = 1 << 20
# Each takes two descriptors and two calls of Python's.
_MOST_DEPTH = 400


def copy_tree(
    source: int, target: int, leave_out: Callable[[str], bool] = lambda _: False
) -> None:
    """Fill the directory `target` with what is in `source` (both descriptors).

    `leave_out` is asked for each path, relative and without a slash in front; what
    it refuses is left out with all below. The attributes of `source` go to `target`.
    """
    _Copy(target, leave_out).directory(source, target, "", 0)


class _Copy:
    def __init__(self, root: int, leave_out: Callable[[str], bool]) -> None:
        self._root = root
        self._leave_out = leave_out
        # (device, inode) of a file with several names: the first that it got, which
        # nobody but us can change.
        self._linked: dict[tuple[int, int], str] = {}

    def directory(self, source: int, target: int, path: str, depth: int) -> None:
        if depth > _MOST_DEPTH:
            raise ContainerError(
                f"Directories are nested more than {_MOST_DEPTH} deep: "
                f"{'/'.join(path.split('/')[:3])}/..."
            )
        for name in os.listdir(source):
            below = f"{path}/{name}" if path else name
            if not self._leave_out(below):
                self._entry(source, target, name, below, depth)
        copy_attributes(source, target, os.fstat(source))

    def _entry(
        self, source: int, target: int, name: str, path: str, depth: int
    ) -> None:
        info = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(info.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            inner = os.open(name, _FOLDER, dir_fd=source)
            made = os.open(name, _FOLDER, dir_fd=target)
            try:
                self.directory(inner, made, path, depth + 1)
            finally:
                os.close(inner)
                os.close(made)
        elif stat.S_ISREG(info.st_mode):
            self._file(source, target, path, info)
        elif not stat.S_ISSOCK(info.st_mode):
            _special(source, target, name, info)

    def _file(self, source: int, target: int, path: str, info: os.stat_result) -> None:
        name = path.rpartition("/")[2]
        key = (info.st_dev, info.st_ino)
        if key in self._linked:
            first = self._linked[key]
            os.link(first, name, src_dir_fd=self._root, dst_dir_fd=target)
            return
        given = os.open(name, _READ, dir_fd=source)
        made = os.open(name, _MAKE, 0o600, dir_fd=target)
        try:
            _data(given, made, info)
            copy_attributes(given, made, info)
        finally:
            os.close(given)
            os.close(made)
        if info.st_nlink > 1:
            self._linked[key] = path


def _special(source: int, target: int, name: str, info: os.stat_result) -> None:
    """A symbolic link, device or pipe: what cannot be opened to copy it."""
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target)
    os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=target)
    old, new = f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}"
    with contextlib.suppress(OSError):
        for key in os.listxattr(old, follow_symlinks=False):
            data = os.getxattr(old, key, follow_symlinks=False)
            os.setxattr(new, key, data, follow_symlinks=False)
    times = (info.st_atime_ns, info.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def copy_attributes(source: int, target: int, info: os.stat_result) -> None:
    """Owner, mode, extended attributes and times."""
    # The owner first: chown(2) clears set-id bits and file capabilities.
    os.fchown(target, info.st_uid, info.st_gid)
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    for key in os.listxattr(source):
        if ".overlay." in key and not key.endswith(".overlay.opaque"):
            continue
        with _refused_attribute(key):
            os.setxattr(target, key, os.getxattr(source, key))
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


@contextlib.contextmanager
def _refused_attribute(key: str) -> Iterator[None]:
    """Labels of a security module, and what a user namespace may not set, stay out."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENODATA):
            raise
        if key == "security.capability":
            raise


def _data(source: int, target: int, info: os.stat_result) -> None:
    if not info.st_size or _cloned(source, target):
        return
    if info.st_blocks * 512 < info.st_size:
        _copy_extents(source, target, info.st_size)
    else:
        _copy_range(source, target, 0, info.st_size)


def _cloned(source: int, target: int) -> bool:
    """Share the blocks, where the file system can (ioctl_ficlonerange(2))."""
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy_extents(source: int, target: int, size: int) -> None:
    """The data between holes (lseek(2), SEEK_DATA)."""
    os.ftruncate(target, size)
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(source, start, os.SEEK_HOLE)
        _copy_range(source, target, start, position)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    position = start
    while position < end:
        try:
            count = os.copy_file_range(source, target, end - position)
        except OSError as error:
            # Between file systems, or from one that has no such call.
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            count = os.write(target, os.pread(source, _BLOCK, position))
            os.lseek(source, position + count, os.SEEK_SET)
        if not count:
            return  # the file became shorter meanwhile
        position += count
