"""Reserve: a file that holds room on the disk for what needs a little of it.

On a full disk SQLite cannot even open the index: its log and its shared memory are
files of their own. So a store keeps a megabyte back, which commands that look, stop or
remove give up for as long as they last.
"""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZE = 1 << 20
# On a disk that has less than so many times as much free there is nothing to keep back.
_MANY = 8


def keep(root: str) -> None:
    """Have the reserve of the store at `root`, where its disk has room for it."""
    path = f"{root}/reserve"
    if os.path.exists(path):
        return
    with contextlib.suppress(OSError):
        if _free(root) >= _SIZE * _MANY:
            _take(path)


@contextlib.contextmanager
def used(root: str) -> Iterator[None]:
    """Where the disk is full, the reserve is given up meanwhile.

    Not for who adds to the store: that would fill it.
    """
    path = f"{root}/reserve"
    given_up = False
    with contextlib.suppress(OSError):
        if _free(root) < _SIZE:
            os.unlink(path)
            given_up = True
    try:
        yield
    finally:
        if given_up:
            with contextlib.suppress(OSError):
                _take(path)


def _free(root: str) -> int:
    disk = os.statvfs(root)
    return disk.f_bavail * disk.f_frsize


def _take(path: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _SIZE)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
