"""Reserve: files that hold room on the disk for what needs a little of it.

On a full disk SQLite cannot even open the index: its log and its shared memory are
files of their own; nor can a state be written. So a store keeps a megabyte and a few
inodes back, which commands that look, stop or remove give up for as long as they last.

    <root>/reserve/room      the megabyte
    <root>/reserve/0...      empty files, an inode each
"""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZE = 1 << 20
_INODES = 16
# On a disk that has less than so many times as much free there is nothing to keep back.
_MANY = 8


def keep(root: str) -> None:
    """Have the reserve of the store at `root`, where its disk has room for it."""
    place = f"{root}/reserve"
    if os.path.exists(f"{place}/room"):
        return
    with contextlib.suppress(OSError):
        if _has_free(root, _MANY):
            _take(place)


@contextlib.contextmanager
def used(root: str) -> Iterator[None]:
    """Where the disk is full, the reserve is given up meanwhile.

    Not for who adds to the store: that would fill it.
    """
    place = f"{root}/reserve"
    given_up = False
    with contextlib.suppress(OSError):
        if not _has_free(root, 1):
            for name in os.listdir(place):
                os.unlink(f"{place}/{name}")
                given_up = True
    try:
        yield
    finally:
        if given_up:
            with contextlib.suppress(OSError):
                _take(place)


def _has_free(root: str, times: int) -> bool:
    """Whether the disk has so many times the reserve; some count no inodes."""
    disk = os.statvfs(root)
    inodes = not disk.f_files or disk.f_favail >= _INODES * times
    return inodes and disk.f_bavail * disk.f_frsize >= _SIZE * times


def _take(place: str) -> None:
    """The room comes last, by which the reserve is known to be whole."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(place, 0o700)
    for number in range(_INODES):
        os.close(_new(f"{place}/{number}"))
    descriptor = _new(f"{place}/room")
    try:
        os.posix_fallocate(descriptor, 0, _SIZE)
    except OSError:
        os.unlink(f"{place}/room")
        raise
    finally:
        os.close(descriptor)


def _new(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
