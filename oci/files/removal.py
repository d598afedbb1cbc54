"""Removing trees of files, whoever wrote them: no link is followed, no mount entered.

Without imports that cost: a container's keeper (runtime/keeper) removes with it, too.
This file is also the program of `remove_later`: standard library only, no lamina.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove `path` and all below it, following no link; it may be gone already.

    It stays on one file system: raises OSError where another one is mounted.
    """
    parent, name = os.path.split(path)
    try:
        directory = os.open(parent, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        _remove(directory, os.fsencode(name))
    finally:
        os.close(directory)


def remove_later(paths: Iterable[str]) -> None:
    """Start `remove_tree` of each in a process of its own, and do not wait."""
    run_later((sys.executable, "-I", "-S", os.path.realpath(__file__), *paths))


def run_later(program: tuple[str, ...]) -> int:
    """Start a program that nobody waits for: its process, or 0 where it cannot be
    started, and what it would have done is left for who comes next."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    try:
        return os.posix_spawn(program[0], program, {}, file_actions=quiet, setsid=True)
    except OSError:
        return 0


def _remove(parent: int, name: bytes) -> None:
    """Remove one name, depth first, without recursion: paths may be deep."""
    if not _is_directory(parent, name):
        _unlink(parent, name)
        return
    try:
        top = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return
    device = os.fstat(top).st_dev
    # For each level: its name, its descriptor, the directories still in it.
    levels = [(name, top, _empty_of_files(top))]
    while levels:
        current, descriptor, directories = levels[-1]
        if directories:
            inner = directories.pop()
            try:
                opened = os.open(inner, _DIRECTORY, dir_fd=descriptor)
            except FileNotFoundError:
                continue  # another process may be removing the same tree
            if os.fstat(opened).st_dev != device:
                os.close(opened)
                raise OSError(errno.EXDEV, "something is mounted there", inner)
            levels.append((inner, opened, _empty_of_files(opened)))
            continue
        levels.pop()
        os.close(descriptor)
        _rmdir(levels[-1][1] if levels else parent, current)


def _empty_of_files(directory: int) -> list[bytes]:
    """Unlink all but directories in `directory`; the names of those."""
    directories = []
    with os.scandir(directory) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                directories.append(name)
            else:
                _unlink(directory, name)
    return directories


def _is_directory(parent: int, name: bytes) -> bool:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode)


def _unlink(parent: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def _rmdir(parent: int, name: bytes) -> None:
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return


if __name__ == "__main__":
    os.nice(10)
    for given in sys.argv[1:]:
        remove_tree(given)
