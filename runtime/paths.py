"""Paths below a root that may be hostile: each is resolved once, by the kernel,
inside the root, and what follows works on the descriptor (openat2(2)).

An image can make any of its directories a link to anywhere. RESOLVE_IN_ROOT reads
such a link as the container would; no path here is ever looked up on the host.
"""

from __future__ import annotations

import errno
import os
import stat

from lamina.runtime import syscalls

_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_PLAIN = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
_BENEATH = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_MAX_LINKS = 40

# What was created as (path below the root, is a directory, the time that the parent
# directory had before, the time that it has since; ns).
Created = tuple[str, bool, int, int]


def open_in_root(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open what `path` is for a process whose root directory is `root`."""
    return syscalls.openat2(path, flags, _IN_ROOT, root)


def open_plain(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` below `root` if no symbolic link is on the way nor at its end."""
    return syscalls.openat2(path.lstrip("/") or ".", flags, _PLAIN, root)


def read_in_root(root: int, path: str, limit: int) -> bytes | None:
    """A regular file's bytes; None when there is none. OSError EFBIG over `limit`.

    Anything else (a device without end, a pipe that blocks) is refused with EINVAL.
    """
    try:
        fd = open_in_root(root, path, _READ)
    except OSError as error:
        # ENXIO: a socket; the rest: nothing there that this root could mean.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES):
            return None
        raise
    return _read_regular(fd, path, limit)


def read_beneath(root: int, path: str, limit: int) -> bytes | None:
    """A regular file's bytes, by a way that never leaves `root`; None when there is
    none. OSError EXDEV for a link that leads out, EFBIG over `limit`."""
    try:
        fd = syscalls.openat2(path, _READ, _BENEATH, root)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
    return _read_regular(fd, path, limit)


def _read_regular(fd: int, path: str, limit: int) -> bytes:
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
        return os.read(fd, limit)
    finally:
        os.close(fd)


def ensure(root: int, path: str, directory: bool, created: list[Created]) -> int:
    """An O_PATH fd of `path` in `root`, made when it does not exist.

    Missing parents become directories with mode 755, the last one a directory or an
    empty file. What was made is added to `created`, under its real path.
    """
    try:
        return open_in_root(root, path)
    except FileNotFoundError:
        pass
    names = path.split("/")[::-1]
    here: list[str] = []
    links = 0
    while names:
        name = names.pop()
        if name == "..":
            del here[-1:]
        if name in ("", ".", ".."):
            continue
        parent = open_plain(root, "/".join(here), os.O_RDONLY | os.O_DIRECTORY)
        try:
            status = _lstat(name, parent)
            if status is None:
                wants_directory = directory or any(n not in ("", ".") for n in names)
                _create(parent, (*here, name), wants_directory, created)
            elif stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(name, dir_fd=parent)
                if target.startswith("/"):
                    here.clear()
                names += target.split("/")[::-1]
                continue
        finally:
            os.close(parent)
        here.append(name)
    return open_plain(root, "/".join(here))


def _lstat(name: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _create(
    parent: int, path: tuple[str, ...], directory: bool, created: list[Created]
) -> None:
    before = os.fstat(parent).st_mtime_ns
    if directory:
        os.mkdir(path[-1], 0o755, dir_fd=parent)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(path[-1], flags, 0o644, dir_fd=parent))
    created.append(("/".join(path), directory, before, os.fstat(parent).st_mtime_ns))


def remove_created(root: int, created: tuple[Created, ...]) -> None:
    """Take away what `ensure` made, where that is still what lies there.

    `root` is an upper directory (or the root itself) after the container is gone.
    Only empty directories and empty files go, and none that a link leads to: the
    container may have put links in their place (CVE-2024-23652). A parent that
    changed by nothing else gets its old time back.
    """
    for path, directory, before, since in reversed(created):
        parent_path, _, name = path.rpartition("/")
        try:
            parent = open_plain(root, parent_path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            untouched = os.fstat(parent).st_mtime_ns == since
            if _remove(parent, name, directory) and untouched:
                os.utime(parent, ns=(before, before))
        finally:
            os.close(parent)


def _remove(parent: int, name: str, directory: bool) -> bool:
    status = _lstat(name, parent)
    if status is None:
        return False
    try:
        if directory and stat.S_ISDIR(status.st_mode):
            os.rmdir(name, dir_fd=parent)
            return True
        if not directory and stat.S_ISREG(status.st_mode) and status.st_size == 0:
            os.unlink(name, dir_fd=parent)
            return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
            raise
    return False
