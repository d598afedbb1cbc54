"""tmpcopyup: a tmpfs that begins with what the image has in its place.

All by descriptor and without following links: the image is hostile, and so may be who
shares a volume with it.
"""

from __future__ import annotations

import os
import stat

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


def copy_tree(source: int, target: int) -> None:
    """Copy what is in the directory `source` into `target`, O_PATH descriptors both.

    Owners, modes and times are kept; sockets and devices are left out.
    """
    here = os.open(".", _DIRECTORY, dir_fd=source)
    there = os.open(".", _DIRECTORY, dir_fd=target)
    try:
        with os.scandir(here) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            _copy(here, there, name)
        _copy_status(here, there)
    finally:
        os.close(here)
        os.close(there)


def _copy(here: int, there: int, name: str) -> None:
    status = os.stat(name, dir_fd=here, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(name, 0o700, dir_fd=there)
        source = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=here)
        target = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=there)
        try:
            copy_tree(source, target)
        finally:
            os.close(source)
            os.close(target)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
        os.chown(
            name, status.st_uid, status.st_gid, dir_fd=there, follow_symlinks=False
        )
    elif stat.S_ISREG(status.st_mode):
        _copy_file(here, there, name)


def _copy_file(here: int, there: int, name: str) -> None:
    source = os.open(name, _READ, dir_fd=here)
    target = -1
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            return  # it was swapped meanwhile
        target = os.open(name, _WRITE, 0o600, dir_fd=there)
        while os.sendfile(target, source, None, _CHUNK):
            pass
        _copy_status(source, target)
    finally:
        os.close(source)
        if target >= 0:
            os.close(target)


def _copy_status(source: int, target: int) -> None:
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
