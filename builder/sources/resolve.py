"""A path inside a root: links are read as a process in that root would read them.

Every component is looked up by the descriptor of the directory it is in, and none is
followed by the kernel, so no path here can leave the root, whatever lies in it.
"""

from __future__ import annotations

import errno
import os
import stat

from lamina.values import value

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# MAXSYMLINKS, path_resolution(7).
_MAX_LINKS = 40


@value
class Place:
    """Where a path leads: components from the root, none of them a link.

    `status` is what lies there, None when nothing does; the first `existing`
    components are there.
    """

    parts: tuple[str, ...]
    status: os.stat_result | None
    existing: int

    @property
    def path(self) -> str:
        return "/".join(self.parts)


def resolve(root: int, path: str, *, follow_last: bool = True) -> Place:
    """Where `path` leads inside the directory `root`.

    `..` stops at the root. Raises NotADirectoryError when a component that is not a
    directory is in the way, OSError (ELOOP) after 40 links.
    """
    todo = _components(path)
    way = _Way(root)
    links = 0
    try:
        while todo:
            part = todo.pop()
            if part == "..":
                way.up()
                continue
            status = way.look(part)
            if _is_link(status) and (todo or follow_last):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                try:
                    target = os.readlink(part, dir_fd=way.fd)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    # It is no link any longer.
                    todo.append(part)
                    continue
                if target.startswith("/"):
                    way.restart()
                todo += _components(target)
                continue
            way.down(part, status, last=not todo)
        return way.place()
    finally:
        way.close()


def _components(path: str) -> list[str]:
    """Those of `path` that lead anywhere, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _is_link(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISLNK(status.st_mode)


class _Way:
    """The components so far, with a descriptor for each that is a directory."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._parts: list[str] = []
        self._fds: list[int] = []
        self._status: os.stat_result | None = None

    @property
    def fd(self) -> int:
        return self._fds[-1] if self._fds else self._root

    def look(self, part: str) -> os.stat_result | None:
        """What `part` is here; None when it is nothing."""
        if len(self._fds) < len(self._parts):
            return None
        try:
            return os.stat(part, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def down(self, part: str, status: os.stat_result | None, last: bool) -> None:
        if status is not None and stat.S_ISDIR(status.st_mode):
            self._fds.append(os.open(part, _STEP, dir_fd=self.fd))
        elif status is not None and not last:
            code = errno.ENOTDIR
            raise NotADirectoryError(code, os.strerror(code), part)
        self._parts.append(part)
        self._status = status

    def up(self) -> None:
        if self._parts:
            self._parts.pop()
            while len(self._fds) > len(self._parts):
                os.close(self._fds.pop())
        self._status = None

    def restart(self) -> None:
        while self._parts:
            self.up()

    def place(self) -> Place:
        if len(self._fds) == len(self._parts):
            status: os.stat_result | None = os.stat(self.fd)
            existing = len(self._parts)
        else:
            status = self._status
            existing = len(self._fds) + (status is not None)
        return Place(tuple(self._parts), status, existing)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


def open_directory(root: int, path: str) -> int:
    """Open the directory at `path`, in which no component may be a link."""
    fd = os.open(".", DIRECTORY, dir_fd=root)
    for part in path.split("/"):
        if part:
            try:
                inner = os.open(part, DIRECTORY, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
    return fd
