"""A pseudo terminal out of a container's own devpts.

All by descriptor: a path under /dev could be a link by now (CVE-2025-52565).
"""

from __future__ import annotations

import fcntl
import os
from struct import pack, unpack

from lamina.runtime.errors import ContainerError

# asm-generic/ioctls.h
_TIOCSCTTY = 0x540E
_TIOCGWINSZ = 0x5413
_TIOCSWINSZ = 0x5414
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441

_PTMX = os.makedev(5, 2)


def open_pair(devpts: int) -> tuple[int, int]:
    """A new (master, slave) of the devpts whose root directory `devpts` is."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = os.open("ptmx", flags | os.O_NOFOLLOW, dir_fd=devpts)
    if os.fstat(master).st_rdev != _PTMX:
        raise ContainerError("The container's /dev/pts/ptmx is not a terminal.")
    fcntl.ioctl(master, _TIOCSPTLCK, pack("i", 0))
    return master, fcntl.ioctl(master, _TIOCGPTPEER, flags)


def make_controlling(slave: int) -> None:
    """Make it the controlling terminal of this session and fds 0 to 2."""
    fcntl.ioctl(slave, _TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)


def get_size(fd: int) -> tuple[int, int]:
    """(rows, columns); OSError when `fd` is not a terminal."""
    rows, columns, _, _ = unpack("4H", fcntl.ioctl(fd, _TIOCGWINSZ, bytes(8)))
    return rows, columns


def set_size(fd: int, rows: int, columns: int) -> None:
    """Tell the terminal its size; those in it get SIGWINCH."""
    fcntl.ioctl(fd, _TIOCSWINSZ, pack("4H", rows, columns, 0, 0))
