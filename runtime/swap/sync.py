"""Sync: files written into a container that runs, in their place.

For servers that reload by themselves. A file keeps its inode: who watches it
(inotify, `node --watch`) or has it open sees the new bytes in it. Paths are resolved by
the kernel inside the container's root, whatever its links say, and only regular files
of real file systems are written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from lamina.runtime import paths
from lamina.runtime.containers.state import load_state
from lamina.runtime.containers.view import is_of_the_kernel, running_root
from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.runtime.containers.state import Container

_CHUNK = 1 << 20
_FILE = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotSynced(ContainerError):
    """A file could not be written there."""

    exit_code = 1


@value
class Rule:
    """What is below the real path `source`, or that file, belongs at `destination` in
    containers, an absolute path."""

    source: str
    destination: str

    def target(self, path: str) -> str | None:
        """Where a path belongs; None where the rule says nothing of it."""
        if path == self.source:
            return self.destination
        if not path.startswith(f"{self.source}/"):
            return None
        return self.destination + path[len(self.source) :]


def parse_rule(text: str, folder: str) -> Rule:
    """`SRC:DEST`; `folder` is what SRC is relative to. Raises NotSynced."""
    source, colon, destination = text.rpartition(":")
    if not (source and colon and destination.startswith("/")):
        raise NotSynced(
            f"--sync {text!r} is no source with a place.",
            hint="As in --sync ./src:/app/src; the place is absolute.",
        )
    path = os.path.realpath(os.path.join(folder, source))
    if not os.path.lexists(path):
        raise NotSynced(f"--sync {text!r}: there is no {source!r}.")
    return Rule(path, os.path.normpath(destination))


def targets(rules: tuple[Rule, ...], changed: Iterable[str]) -> dict[str, str] | None:
    """Where each path belongs; None when a rule is missing for one."""
    found = {}
    for path in changed:
        places = [place for rule in rules if (place := rule.target(path)) is not None]
        if not places:
            return None
        found[path] = places[-1]
    return found


def everything(
    rules: tuple[Rule, ...], wanted: Callable[[str, bool], bool]
) -> Iterator[tuple[str, str]]:
    """All files of the rules' sources that are wanted, and where they belong."""
    for rule in rules:
        waiting = [rule.source]
        while waiting:
            path = waiting.pop()
            is_directory = os.path.isdir(path) and not os.path.islink(path)
            if path != rule.source and not wanted(path, is_directory):
                continue
            if is_directory:
                with contextlib.suppress(OSError):
                    waiting += [f"{path}/{name}" for name in os.listdir(path)]
            elif (place := rule.target(path)) is not None:
                yield path, place


def sync(root: str, container: Container, files: Iterable[tuple[str, str]]) -> int:
    """Let each place in a running container of the store at `root` be as the path on
    the host is: how many had to be written. Raises NotSynced."""
    init = load_state(root, container.id).init
    if init is None:
        raise NotSynced("The container has just ended.")
    tree = running_root(init)
    try:
        # Folders before what is in them.
        return sum(_sync(tree, *pair) for pair in sorted(files))
    finally:
        os.close(tree)


def _sync(tree: int, path: str, place: str) -> bool:
    try:
        status = _lstat(path)
        if status is None:
            return _remove(tree, place)
        if stat.S_ISDIR(status.st_mode):
            os.close(paths.ensure(tree, place, True, []))
            return False
        if stat.S_ISLNK(status.st_mode):
            return _link(tree, place, os.readlink(path))
        if stat.S_ISREG(status.st_mode):
            return _write(tree, place, path, status)
    except OSError as error:
        raise NotSynced(
            f"{place} cannot be written in the container: {error.strerror}."
        ) from error
    return False


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parent(tree: int, place: str) -> int:
    """The directory that `place` is in, made where it is missing."""
    return paths.ensure(tree, os.path.dirname(place), True, [])


def _write(tree: int, place: str, path: str, wanted: os.stat_result) -> bool:
    """The bytes and the mode of a file; False when they were there already."""
    fd = _opened(tree, place, wanted)
    try:
        with open(path, "rb") as source:
            changed = _copy(source.fileno(), fd)
        mode = stat.S_IMODE(wanted.st_mode) & 0o777
        if stat.S_IMODE(os.fstat(fd).st_mode) & 0o777 != mode:
            os.fchmod(fd, mode)
            changed = True
        return changed
    finally:
        os.close(fd)


def _opened(tree: int, place: str, wanted: os.stat_result) -> int:
    """The file to read and write; a new one belongs to who has the folder."""
    parent = _parent(tree, place)
    try:
        return _reopened(tree, place)
    except FileNotFoundError:
        return _created(parent, os.path.basename(place), wanted)
    finally:
        os.close(parent)


def _created(parent: int, name: str, wanted: os.stat_result) -> int:
    mode = stat.S_IMODE(wanted.st_mode) & 0o777
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | _FILE
    folder = _readable(parent)
    try:
        with contextlib.suppress(FileNotFoundError):
            # A link to nothing: what is saved takes its place.
            os.unlink(name, dir_fd=folder)
        fd = os.open(name, flags, mode, dir_fd=folder)
    finally:
        os.close(folder)
    owner = os.fstat(parent)
    os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd


def _reopened(tree: int, place: str) -> int:
    """An existing regular file: looked at first, and opened when it is one."""
    found = paths.open_in_root(tree, place)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode) or is_of_the_kernel(found):
            raise OSError(errno.EINVAL, "it is no regular file there")
        return os.open(f"/proc/self/fd/{found}", os.O_RDWR | _FILE)
    finally:
        os.close(found)


def _readable(folder: int) -> int:
    return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)


def _copy(source: int, target: int) -> bool:
    """Write over what differs, a piece at a time, and cut the rest: no reader finds
    the file empty in between."""
    changed, at = False, 0
    while data := os.read(source, _CHUNK):
        if os.pread(target, len(data), at) != data:
            written = 0
            while written < len(data):
                written += os.pwrite(target, data[written:], at + written)
            changed = True
        at += len(data)
    if os.fstat(target).st_size != at:
        os.ftruncate(target, at)
        changed = True
    return changed


def _link(tree: int, place: str, wanted: str) -> bool:
    parent = _parent(tree, place)
    folder = _readable(parent)
    name = os.path.basename(place)
    try:
        with contextlib.suppress(OSError):
            if os.readlink(name, dir_fd=folder) == wanted:
                return False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        os.symlink(wanted, name, dir_fd=folder)
        return True
    finally:
        os.close(folder)
        os.close(parent)


def _remove(tree: int, place: str) -> bool:
    """Remove a file, or a folder with all in it."""
    try:
        parent = paths.open_in_root(tree, os.path.dirname(place))
    except OSError:
        return False
    folder = _readable(parent)
    try:
        return _remove_at(folder, os.path.basename(place))
    finally:
        os.close(folder)
        os.close(parent)


def _remove_at(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
        return True
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        pass
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    inner = os.open(name, flags, dir_fd=folder)
    try:
        for found in os.listdir(inner):
            _remove_at(inner, found)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)
    return True
