"""Reserve: a file that holds room on the disk for what frees room.

On a full disk SQLite cannot even open the index: its log and its shared memory are
files of their own. So a store keeps a megabyte back, which `lamina system prune` gives
up first and has again in the end.
"""

from __future__ import annotations

import contextlib
import os

_SIZE = 1 << 20
# On a disk that has less than so many times as much free there is nothing to keep back.
_MANY = 8


def keep(root: str) -> None:
    """Have the reserve of the store at `root`, where its disk has room for it."""
    path = f"{root}/reserve"
    if os.path.exists(path):
        return
    with contextlib.suppress(OSError):
        disk = os.statvfs(root)
        if disk.f_bavail * disk.f_frsize < _SIZE * _MANY:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _SIZE)
        finally:
            os.close(descriptor)


def release(root: str) -> None:
    """Give it up."""
    with contextlib.suppress(OSError):
        os.unlink(f"{root}/reserve")
