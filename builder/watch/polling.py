"""Polling: what changed in folders for which there are no events, by their stamps."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    # Inode, type and mode, size, and the two times in ns.
    Stamp = tuple[int, int, int, int, int]
    Scan = Mapping[str, Stamp]
    # Whether a path below a watched folder counts; (path, is a directory).
    Wanted = Callable[[str, bool], bool]


def scan(folders: Iterable[str], wanted: Wanted) -> dict[str, Stamp]:
    """The stamp of every path that counts below `folders`; about 6 µs each."""
    found: dict[str, Stamp] = {}
    waiting = list(folders)
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            is_directory = stat.S_ISDIR(status.st_mode)
            if not wanted(entry.path, is_directory):
                continue
            if is_directory:
                waiting.append(entry.path)
            found[entry.path] = stamp(status)
    return found


def stamp(status: os.stat_result) -> Stamp:
    """What of a file's status changes when the file does.

    A directory's times change with its names, and those are looked at themselves.
    """
    if stat.S_ISDIR(status.st_mode):
        return (status.st_ino, status.st_mode, 0, 0, 0)
    return (
        status.st_ino,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def differences(before: Scan, after: Scan) -> set[str]:
    """The paths that came, went, or have another stamp."""
    gone = before.keys() - after.keys()
    return gone | {path for path, seen in after.items() if before.get(path) != seen}
