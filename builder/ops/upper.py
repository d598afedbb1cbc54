"""Upper: a new layer's directory, written straight, beside the view it will lie on.

The view is the layers below, merged and read-only; an upper directory is a plain diff
of it in overlay's format. A directory that the view has is made here with the same
owner, mode and attributes, since overlay shows those of the upper one. Every name is
made by the descriptor of its directory and no link is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from lamina.builder.errors import CopyConflict, CopyFailed
from lamina.builder.sources.resolve import DIRECTORY
from lamina.oci.files.ids import has_one_id

if TYPE_CHECKING:
    Attributes = tuple[tuple[str, bytes], ...]

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL_BITS = 0o7000
# image-spec, layer.md, Whiteouts.
WHITEOUT = ".wh."


class Directory:
    """A directory of the layer: `fd`, and `view`, the same directory below or None.

    `shadowed` are the directories in the view, which no file may replace.
    """

    def __init__(self, fd: int, view: int | None, path: str) -> None:
        self.fd = fd
        self.view = view
        self.path = path
        self.shadowed: frozenset[str] = frozenset()
        if view is not None:
            with os.scandir(view) as entries:
                self.shadowed = frozenset(
                    [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                )

    def child_path(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def close(self) -> None:
        os.close(self.fd)
        if self.view is not None:
            os.close(self.view)


# How a directory came to be in the layer: nothing was there; the view had it; the
# layer had it already.
FRESH, COPIED, KEPT = range(3)


class Upper:
    """Makes files and directories in the layer with exact owners, modes and times."""

    def __init__(self, path: str, view: int | None) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        below = None
        if view is not None:
            below = os.open(
                ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=view
            )
        self.root = Directory(fd, below, "/")
        self._umask = _umask()
        self._me = (os.geteuid(), os.getegid())
        # Below a directory with set-group-id, files get its group.
        self._inherits = bool(os.fstat(fd).st_mode & stat.S_ISGID)

    def close(self) -> None:
        self.root.close()

    def enter(self, parent: Directory, name: str) -> tuple[Directory, int]:
        """The directory `name`, made if need be, and whether it is FRESH, COPIED, KEPT.

        A new one is for its maker alone until `finish`. Raises CopyConflict when
        something else has the name.
        """
        path = parent.child_path(name)
        _check_name(path, name)
        try:
            os.mkdir(name, 0o700, dir_fd=parent.fd)
            origin = FRESH
        except FileExistsError:
            origin = KEPT
        try:
            fd = os.open(name, DIRECTORY, dir_fd=parent.fd)
        except NotADirectoryError:
            raise not_a_directory(path) from None
        try:
            view = self._below(parent, name, path)
        except BaseException:
            os.close(fd)
            raise
        if origin == KEPT and os.fstat(fd).st_mode & stat.S_ISGID:
            self._inherits = True
        if origin == FRESH and view is not None:
            origin = COPIED
        return Directory(fd, view, path), origin

    def _below(self, parent: Directory, name: str, path: str) -> int | None:
        """The directory `name` in the view; raises CopyConflict if it is something
        else."""
        if parent.view is None:
            return None
        if name in parent.shadowed:
            return os.open(name, DIRECTORY, dir_fd=parent.view)
        if self.exists(parent.view, name):
            raise not_a_directory(path)
        return None

    @staticmethod
    def exists(directory: int, name: str) -> bool:
        """Whether `name` is in an open directory."""
        try:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def finish(
        self, directory: Directory, owner: tuple[int, int], mode: int, mtime: int | None
    ) -> None:
        """Give a directory its owner and mode, and its mtime (ns) if one is given."""
        self._own(directory.fd, owner, directory.path)
        os.fchmod(directory.fd, mode)
        if mtime is not None:
            os.utime(directory.fd, ns=(mtime, mtime))

    def file(self, parent: Directory, name: str, mode: int) -> int:
        """An empty new file, open for reading and writing; what had the name is gone.

        Raises CopyConflict when that was a directory.
        """
        self._make_room(parent, name)
        try:
            return os.open(name, _NEW, mode & 0o777, dir_fd=parent.fd)
        except FileExistsError:
            self._unlink(parent, name)
            return os.open(name, _NEW, mode & 0o777, dir_fd=parent.fd)

    def finish_file(
        self,
        fd: int,
        owner: tuple[int, int],
        mode: int,
        mtime: int | None,
        attributes: Attributes = (),
    ) -> None:
        """A file's owner and mode, where they are not yet so, and its mtime (ns).

        Attributes come after the owner: chown(2) drops capabilities.
        """
        changed = self._own(fd, owner, "")
        if mode & (_SPECIAL_BITS | self._umask) or (changed and mode & _SPECIAL_BITS):
            os.fchmod(fd, mode)
        if attributes:
            self.attributes(fd, attributes)
        if mtime is not None:
            os.utime(fd, ns=(mtime, mtime))

    def adopt(self, parent: Directory, name: str, layer: int) -> bool:
        """The file `name` of a directory of another layer, as a link; False if it
        can't be one."""
        self._make_room(parent, name)
        places = {"src_dir_fd": layer, "dst_dir_fd": parent.fd}
        try:
            os.link(name, name, **places, follow_symlinks=False)
        except OSError:
            return False  # it has all the names it can, or went
        return True

    def link(self, parent: Directory, name: str, first: str) -> bool:
        """Another name for the file at `first` in the layer; False if it can't have
        more names, or its path is longer than the kernel takes."""
        self._make_room(parent, name)
        if self.exists(parent.fd, name):
            self._unlink(parent, name)
        places = {"src_dir_fd": self.root.fd, "dst_dir_fd": parent.fd}
        try:
            os.link(first.lstrip("/"), name, **places, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.ENAMETOOLONG):
                raise
            return False
        return True

    def special(
        self, parent: Directory, name: str, status: os.stat_result, mode: int
    ) -> None:
        """A device or named pipe of the type that `status` has."""
        self._make_room(parent, name)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            raise CopyFailed(
                f"{parent.child_path(name)} is a character device 0:0, with which"
                " overlay says that a file is deleted; a layer cannot hold one."
            )
        if self.exists(parent.fd, name):
            self._unlink(parent, name)
        try:
            kind = stat.S_IFMT(status.st_mode)
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=parent.fd)
        except PermissionError as error:
            raise CopyFailed(
                f"The device {parent.child_path(name)} cannot be made:"
                " that takes the machine's super-user.",
                hint="Leave it out with --exclude, or build as root.",
            ) from error
        os.chmod(name, mode, dir_fd=parent.fd)

    def symlink(self, parent: Directory, name: str, target: str) -> None:
        self._make_room(parent, name)
        if self.exists(parent.fd, name):
            self._unlink(parent, name)
        os.symlink(target, name, dir_fd=parent.fd)

    def finish_name(
        self, parent: Directory, name: str, owner: tuple[int, int], mtime: int
    ) -> None:
        """The owner and mtime of what cannot be opened."""
        if owner != self._me or self._inherits:
            path = parent.child_path(name)
            give_away(name, owner, path, dir_fd=parent.fd)
        os.utime(name, ns=(mtime, mtime), dir_fd=parent.fd, follow_symlinks=False)

    def attributes(self, fd: int, found: Attributes) -> None:
        """Extended attributes, as far as this file system and user may have them."""
        for name, content in found:
            try:
                os.setxattr(fd, name, content)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EINVAL):
                    raise

    def _make_room(self, parent: Directory, name: str) -> None:
        """Raises CopyConflict when the view has a directory of that name."""
        _check_name(parent.child_path(name), name)
        if name in parent.shadowed:
            raise _replaces_directory(parent.child_path(name))

    def _unlink(self, parent: Directory, name: str) -> None:
        try:
            os.unlink(name, dir_fd=parent.fd)
        except (IsADirectoryError, PermissionError):
            raise _replaces_directory(parent.child_path(name)) from None

    def _own(self, fd: int, owner: tuple[int, int], path: str) -> bool:
        """chown if the owner is another; mkdir and open made it ours."""
        if owner == self._me and not self._inherits:
            return False
        give_away(fd, owner, path)
        return True


def _check_name(path: str, name: str) -> None:
    """Refuse what in a layer would say that another file is deleted."""
    if name.startswith(WHITEOUT):
        raise CopyFailed(
            f"{path} cannot be in an image: in a layer, {WHITEOUT} before a name means"
            " that the file is deleted.",
            hint="Rename it, or leave it out: --exclude, or .dockerignore.",
        )


def give_away(
    what: int | str, owner: tuple[int, int], path: str, dir_fd: int | None = None
) -> None:
    """chown(2) of a descriptor or a name; CopyFailed, naming `path`, for an owner that
    this user namespace does not have. One that has a single id has it for all."""
    try:
        if isinstance(what, int):
            os.fchown(what, *owner)
        else:
            os.chown(what, *owner, dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
        if has_one_id():
            return
        raise CopyFailed(
            f"{path or 'A file'} cannot be given the owner {owner[0]}:{owner[1]}.",
            hint="An ordinary user's build has the ids of /etc/subuid and /etc/subgid:"
            " give it more of them, or name an owner that it has.",
        ) from error


def not_a_directory(path: str) -> CopyConflict:
    return CopyConflict(
        f"A directory cannot be copied to {path}: that is no directory.",
        hint="Remove it in a RUN before, or choose another destination.",
    )


def _replaces_directory(path: str) -> CopyConflict:
    return CopyConflict(
        f"A file cannot replace the directory {path}.",
        hint="Remove it in a RUN before, or choose another destination.",
    )


def _umask() -> int:
    """The process's umask; umask(2) could only tell by changing it for all threads."""
    with open("/proc/self/status", "rb") as lines:
        for line in lines:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o777
