"""Mount points that were made for a step, taken out of what it changed."""

from __future__ import annotations

import os
import stat

from lamina.runtime.paths import open_plain, remove_created

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.runtime.paths import Created

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def take_away(upper: str, lowers: Sequence[str], created: tuple[Created, ...]) -> None:
    """Remove what was made in the changeset `upper`, and only that.

    A directory that overlay copied up for it, and in which nothing else happened, goes
    too, so that the layer says nothing of it. `lowers` are the layers below, the
    topmost first.
    """
    if not created:
        return
    root = os.open(upper, _DIRECTORY)
    try:
        remove_created(root, created)
        for path, *_ in created:
            _drop_copies(root, lowers, os.path.dirname(path))
    finally:
        os.close(root)


def _drop_copies(root: int, lowers: Sequence[str], path: str) -> None:
    """Remove the directory at `path` and those above it as long as each is an empty
    copy of the one below."""
    while path:
        parent, _, name = path.rpartition("/")
        copy = _facts(root, path)
        if copy is None or copy != _below(lowers, path):
            return
        try:
            directory = open_plain(root, parent, _DIRECTORY)
        except OSError:
            return
        try:
            times = os.fstat(directory)
            os.rmdir(name, dir_fd=directory)
            os.utime(directory, ns=(times.st_atime_ns, times.st_mtime_ns))
        except OSError:
            return  # the step left something in it
        finally:
            os.close(directory)
        path = parent


_Facts = tuple[int, int, int, int, frozenset[tuple[str, bytes]]]


def _below(lowers: Sequence[str], path: str) -> _Facts | None:
    """The facts of the topmost directory at `path` in the layers."""
    for lower in lowers:
        root = os.open(lower, _DIRECTORY)
        try:
            if (found := _facts(root, path)) is not None:
                return found
        finally:
            os.close(root)
    return None


def _facts(root: int, path: str) -> _Facts | None:
    """Mode, owner, time and attributes of a directory; None where there is none."""
    try:
        directory = open_plain(root, path, _DIRECTORY)
    except OSError:
        return None
    try:
        status = os.fstat(directory)
        attributes = frozenset(
            (name, os.getxattr(directory, name))
            for name in os.listxattr(directory)
            if ".overlay." not in name
        )
    finally:
        os.close(directory)
    mode = stat.S_IMODE(status.st_mode)
    return mode, status.st_uid, status.st_gid, status.st_mtime_ns, attributes
