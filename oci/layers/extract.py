"""extract: an archive unpacked over what is there, as `tar -x` does for root.

For `ADD archive.tar /opt`, `import` and `-o type=local`. Names are relative to the
destination, a leading `/` is dropped and `..` refused. Links on the way are followed
inside the root (openat2(2), RESOLVE_IN_ROOT), so nothing outside can be reached. What
an entry finds in its place it replaces, and the last of two equal names counts; a
directory joins one that is there, also through a link to one (as GNU tar does with
--keep-directory-symlink: an archive with `lib/` must not break a merged /usr).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from struct import pack
from typing import TYPE_CHECKING

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.inodes import (
    NODES,
    Inodes,
    bad_link,
    translate,
    unknown_kind,
)
from lamina.oci.streams.stream import CHUNK, Source
from lamina.oci.tar.header import (
    DIRECTORY,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
)
from lamina.oci.tar.member_name import check_no_whiteout, rooted_path, show
from lamina.oci.tar.reader import Limits, TarReader
from lamina.values import replace, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMED = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_RETRIES = 128
_SYS_OPENAT2 = 437  # the same on every architecture but alpha
_RESOLVE_IN_ROOT = 0x10
_MAX_OPEN = 128
_PARENT = Entry(b"", DIRECTORY, 0o755)


@value
class Extracted:
    """What was in the archive; `skipped` counts devices that could not be made."""

    entries: int
    bytes: int
    skipped: int


@value
class Overrides:
    """`owner` (uid, gid) and `mtime` (ns) that every entry gets instead of its own."""

    owner: tuple[int, int] | None = None
    mtime: int | None = None

    def of(self, entry: Entry) -> Entry:
        if self.owner is not None:
            entry = replace(entry, uid=self.owner[0], gid=self.owner[1])
        return entry if self.mtime is None else replace(entry, mtime=self.mtime)


def extract(
    read: Callable[[int], bytes],
    root: int,
    dest: str,
    overrides: Overrides = Overrides(),  # noqa: B008 (a value)
    limits: Limits = Limits(),  # noqa: B008
    *,
    copying: bool = False,
) -> Extracted:
    """Unpack the plain tar that `read` gives into `dest` below the directory `root`.

    `root` is a descriptor (O_PATH will do) and stays open; `dest` is made if missing.
    Only root gives files away; other users keep them, as with tar. With `copying` a
    file takes no directory's place, nor the other way round, and names that mark what
    is deleted in layers are names. Raises InvalidArchive, and StoreError on a full
    disk; then a part may be unpacked.
    """
    reader = TarReader(Source(_chunks(read)), limits)
    target = _Target(root, dest, overrides, copying)
    try:
        target.begin()
        for entry in reader:
            target.add(overrides.of(entry), reader)
        target.finish()
    finally:
        target.close()
    return Extracted(reader.entries, reader.bytes, target.skipped)


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while data := read(CHUNK):
        yield data


def open_in_root(root: int, path: bytes) -> int:
    """A descriptor (O_PATH) of the directory at `path`; no link leads out of `root`."""
    how = pack("QQQ", _OPEN, 0, _RESOLVE_IN_ROOT)
    libc = ctypes.CDLL(None, use_errno=True)
    number = 0
    for _ in range(_RETRIES):
        fd: int = libc.syscall(_SYS_OPENAT2, root, path or b".", how, len(how))
        if fd >= 0:
            return fd
        # EAGAIN: a rename or mount anywhere while it passed a ".."; not sure, so again.
        number = ctypes.get_errno()
        if number != errno.EAGAIN:
            break
    raise OSError(number, os.strerror(number), os.fsdecode(path))


class _Places:
    """Directories in a root by path, opened once while they are used."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: dict[bytes, int] = {}

    def open(self, path: bytes) -> int:
        """A descriptor of the directory, good until the next call."""
        found = self._open.get(path)
        if found is None:
            if len(self._open) >= _MAX_OPEN:
                self.close()
            found = self._open[path] = open_in_root(self._root, path)
        return found

    def resolve(self, path: bytes) -> int:
        """A new descriptor of the directory, which the caller closes."""
        return open_in_root(self._root, path)

    def close(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


class _Target:
    """What is being unpacked, and what is left to do when all is there."""

    def __init__(
        self, root: int, dest: str, overrides: Overrides, copying: bool
    ) -> None:
        self.skipped = 0
        self._copying = copying
        self._places = _Places(root)
        self._dest = os.fsencode(os.path.normpath("/" + dest)).strip(b"/")
        self._parent = overrides.of(_PARENT)
        self._inodes = Inodes("always" if os.geteuid() == 0 else "never")
        self._last: dict[bytes, tuple[int, int]] = {}

    def begin(self) -> None:
        """Make the destination, where it is missing."""
        try:
            self._directory(self._dest)
        except OSError as error:
            raise translate(error, self._dest) from error

    def add(self, entry: Entry, reader: TarReader) -> None:
        """Put one member where it belongs."""
        relative = rooted_path(entry.name)
        if not self._copying:
            check_no_whiteout(relative)
        if not relative:
            if entry.kind != DIRECTORY:
                raise InvalidArchive("The archive replaces its root by something else.")
            return  # the destination is the caller's
        path = self._below(relative)
        try:
            if entry.kind == DIRECTORY:
                self._add_directory(path, entry)
            elif entry.kind == HARD_LINK:
                self._add_link(path, entry)
            else:
                self._add_file(path, entry, reader)
        except OSError as error:
            raise translate(error, relative) from error

    def finish(self) -> None:
        """Set modes and times of directories, now that nothing is put into them."""
        for path, (mode, mtime) in self._last.items():
            above, _, name = path.rpartition(b"/")
            # A later entry may have replaced the directory or one above it.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                fd = self._places.open(above)
                self._inodes.finish_directory(fd, name, mode, mtime)

    def close(self) -> None:
        self._places.close()

    def _below(self, path: bytes) -> bytes:
        return self._dest + b"/" + path if self._dest else path

    def _directory(self, path: bytes) -> int:
        """The directory at `path`, made where it is missing."""
        missing = []
        while True:
            try:
                fd = self._places.open(path)
                break
            except FileNotFoundError:
                if not path:
                    raise
                path, _, name = path.rpartition(b"/")
                missing.append(name)
        for name in reversed(missing):
            path = path + b"/" + name if path else name
            try:
                self._inodes.directory(fd, name, self._parent)
            except FileExistsError as error:
                raise InvalidArchive(
                    f"{show(path)} is needed as a directory, but is a link that leads"
                    " nowhere."
                ) from error
            fd = self._places.open(path)
        return fd

    def _add_directory(self, path: bytes, entry: Entry) -> None:
        above, _, name = path.rpartition(b"/")
        fd = self._directory(above)
        try:
            self._inodes.directory(fd, name, entry)
        except FileExistsError:
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                self._inodes.dress(fd, name, entry)
            elif stat.S_ISLNK(mode) and self._is_directory(path):
                return
            elif self._copying and not stat.S_ISLNK(mode):
                raise _other_kind("non-directory", path, "a directory") from None
            else:
                self._inodes.directory(self._cleared(path), name, entry)
        self._last[path] = (entry.mode, entry.mtime)

    def _is_directory(self, path: bytes) -> bool:
        try:
            os.close(self._places.resolve(path))
        except OSError:
            return False
        return True

    def _add_file(self, path: bytes, entry: Entry, reader: TarReader) -> None:
        name = path.rpartition(b"/")[2]
        fd = self._cleared(path)
        if entry.kind == REGULAR:
            self._inodes.file(fd, name, entry, reader.payload())
        elif entry.kind == SYMLINK:
            self._inodes.symlink(fd, name, entry)
        elif entry.kind in NODES:
            self.skipped += not self._inodes.node(fd, name, entry)
        else:
            raise unknown_kind(entry)

    def _add_link(self, path: bytes, entry: Entry) -> None:
        """A hard link to what is there at its target, this archive's or older."""
        name = path.rpartition(b"/")[2]
        target = self._below(rooted_path(entry.link))
        above, _, old = target.rpartition(b"/")
        try:
            source = self._places.resolve(above)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise bad_link(path, target) from error
        try:
            if target == path or stat.S_ISDIR(_mode(source, old)):
                raise bad_link(path, target)
            fd = self._cleared(path)
            os.link(old, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError as error:
            raise bad_link(path, target) from error
        finally:
            os.close(source)

    def _cleared(self, path: bytes) -> int:
        """The directory that `path` is in, nothing of that name in it any more."""
        above, _, name = path.rpartition(b"/")
        fd = self._directory(above)
        if self._copying and _is_mounted(fd, name):
            raise InvalidArchive(
                f"{show(path)} is mounted there, and cannot be replaced.",
                hint="What it has can be: `lamina exec -i ... sh -c 'cat > ...'`.",
            )
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            return fd
        except IsADirectoryError:
            if self._copying:
                raise _other_kind("directory", path, "what is none") from None
            import shutil

            shutil.rmtree(name, dir_fd=fd)
        # What was opened through it is another directory now, or none.
        self._places.close()
        return self._directory(above)


def _is_mounted(directory: int, name: bytes) -> bool:
    """Whether something is mounted on a name.

    The kernel refuses to unlink that, but not in another mount namespace than ours,
    where it would take the mount away (rename(2), Linux 3.18).
    """
    try:
        fd = os.open(name, _NAMED, dir_fd=directory)
    except FileNotFoundError:
        return False
    try:
        return _mount_id(fd) != _mount_id(directory)
    finally:
        os.close(fd)


def _mount_id(fd: int) -> str:
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return next(line for line in file if line.startswith("mnt_id:"))


def _other_kind(there: str, path: bytes, new: str) -> InvalidArchive:
    return InvalidArchive(f"Cannot overwrite the {there} {show(path)} with {new}.")


def _mode(directory: int, name: bytes) -> int:
    return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
