"""Where an archive is written: a tar on disk or on a pipe, or a folder.

A layer's size and digest are known when it has been written, a tar's header comes
before: on disk the header is filled in afterwards, for a pipe the layer waits in a
workspace. All times are 0 and all owners root: same images, same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from typing import Protocol

from lamina.oci.errors import InvalidArchive
from lamina.oci.files.removal import remove_tree
from lamina.oci.files.workspace import is_dead, space_error
from lamina.oci.files.writing import write_all
from lamina.oci.tar.header import BLOCK, REGULAR, Entry, format_header

Write = Callable[[bytes], object]
# Writes a member's bytes, and returns its name.
Produce = Callable[[Write], str]

_RECORD = 20 * BLOCK
_CHUNK = 1 << 20
_UNFINISHED = "lamina-"
_NAMELESS = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class ArchiveWriter(Protocol):
    """Takes the files of an archive, one after the other."""

    def add(self, name: str, data: bytes) -> None:
        """Write a whole file."""
        ...

    def add_stream(self, produce: Produce) -> None:
        """Write a file whose name is known when its bytes have been written."""
        ...

    def take(self, name: str, path: str) -> None:
        """Write a file that is at `path`, which may be gone afterwards."""
        ...

    def holds(self, name: str, size: int) -> bool:
        """Whether a file of this name and size was there before."""
        ...

    def finish(self) -> None: ...


class TarWriter:
    """A tar on a descriptor; `workspace` is a folder for what has to wait. `tell` is
    called with how many bytes are written."""

    def __init__(
        self,
        descriptor: int,
        workspace: str,
        tell: Callable[[int], object] = lambda _bytes: None,
    ) -> None:
        self._out = descriptor
        self._tell = tell
        self._workspace = workspace
        self._patched = _is_patchable(descriptor)
        self._position = 0

    def add(self, name: str, data: bytes) -> None:
        self._write(_header(name, len(data)))
        self._write(data)
        self._pad()

    def add_stream(self, produce: Produce) -> None:
        if not self._patched:
            self._add_spooled(produce)
            return
        start = self._position
        self._write(bytes(BLOCK))
        name = produce(self._write)
        size = self._position - start - BLOCK
        self._pad()
        os.pwrite(self._out, _header(name, size), start)

    def take(self, name: str, path: str) -> None:
        self.add_stream(lambda write: _poured(path, name, write))

    def holds(self, _name: str, _size: int) -> bool:
        return False

    def finish(self) -> None:
        """End the tar; its last record is filled up, as tar(1) does."""
        self._write(bytes(2 * BLOCK))
        self._write(bytes(-self._position % _RECORD))

    def _add_spooled(self, produce: Produce) -> None:
        path = f"{self._workspace}/{os.urandom(8).hex()}"
        spool = os.open(path, _NEW, 0o600)
        os.unlink(path)
        try:
            name = produce(lambda data: write_out(spool, data, self._workspace))
            size = os.lseek(spool, 0, os.SEEK_CUR)
            self._write(_header(name, size))
            os.lseek(spool, 0, os.SEEK_SET)
            while data := os.read(spool, _CHUNK):
                self._write(data)
            self._pad()
        finally:
            os.close(spool)

    def _pad(self) -> None:
        self._write(bytes(-self._position % BLOCK))

    def _write(self, data: bytes) -> None:
        write_out(self._out, data, "the archive")
        self._position += len(data)
        self._tell(self._position)


class FolderWriter:
    """A folder with what the archive holds as files, each complete under its name.
    `tell` is called with the bytes so far."""

    def __init__(
        self, path: str, tell: Callable[[int], object] = lambda _bytes: None
    ) -> None:
        self._root = path
        self._tell = tell
        self._written = 0

    def add(self, name: str, data: bytes) -> None:
        def produce(write: Write) -> str:
            write(data)
            return name

        self.add_stream(produce)

    def add_stream(self, produce: Produce) -> None:
        temporary = f"{self._root}/.{os.urandom(8).hex()}"
        descriptor = os.open(temporary, _NEW, 0o644)

        def write(data: bytes) -> None:
            write_out(descriptor, data, self._root)
            self._count(len(data))

        try:
            name = produce(write)
        except BaseException:
            os.unlink(temporary)
            raise
        finally:
            os.close(descriptor)
        os.makedirs(os.path.dirname(f"{self._root}/{name}"), exist_ok=True)
        os.rename(temporary, f"{self._root}/{name}")

    def take(self, name: str, path: str) -> None:
        os.makedirs(os.path.dirname(f"{self._root}/{name}"), exist_ok=True)
        try:
            os.chmod(path, 0o644)
            os.rename(path, f"{self._root}/{name}")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise space_error(error, self._root) from error
            self.add_stream(lambda write: _poured(path, name, write))
        else:
            self._count(os.stat(f"{self._root}/{name}").st_size)

    def _count(self, size: int) -> None:
        self._written += size
        self._tell(self._written)

    def holds(self, name: str, size: int) -> bool:
        try:
            return os.stat(f"{self._root}/{name}").st_size == size
        except FileNotFoundError:
            return False

    def finish(self) -> None:
        """Nothing is left to do: a file that has its name is complete."""


def _poured(path: str, name: str, write: Write) -> str:
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            write(data)
    return name


@contextlib.contextmanager
def tar_at(path: str) -> Iterator[int]:
    """A descriptor to write a file with; it gets the name `path` when all is done.

    What is no regular file (a pipe, /dev/stdout) is written to as it stands.
    """
    if os.path.lexists(path) and not os.path.isfile(path):
        descriptor = _opened(path, os.O_WRONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    path = os.path.realpath(path)
    temporary = _beside(path)
    descriptor, is_nameless = _new_file(temporary, path)
    try:
        yield descriptor
        if is_nameless:
            _link(descriptor, temporary)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def folder_at(path: str) -> Iterator[str]:
    """A new folder that gets the name `path`, new or empty, when all is done; those
    above it are made where they are missing."""
    path = os.path.abspath(path)
    try:
        if os.path.isdir(path) and os.listdir(path):
            raise InvalidArchive(
                f"The folder {path!r} is not empty.",
                hint="Name a new one: an image is not mixed with other files.",
            )
        temporary, lock = _new_folder(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield temporary
        os.rename(temporary, path)
    except BaseException:
        remove_tree(temporary)
        raise
    finally:
        os.close(lock)


def _new_folder(path: str) -> tuple[str, int]:
    """A folder to be at `path`, and a lock on it: one without has a dead owner. Those
    of the same name are removed."""
    head, name = os.path.split(path)
    prefix = f".{name}.{_UNFINISHED}"
    os.makedirs(head, exist_ok=True)
    for other in os.listdir(head):
        if other.startswith(prefix) and is_dead(f"{head}/{other}"):
            with contextlib.suppress(OSError):
                remove_tree(f"{head}/{other}")
    temporary = f"{head}/{prefix}{os.urandom(4).hex()}"
    os.mkdir(temporary)
    lock = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Somebody who looked just before this was locked may have removed it.
    os.makedirs(temporary, exist_ok=True)
    return temporary, lock


def _new_file(temporary: str, path: str) -> tuple[int, bool]:
    """A file to be at `path`, and whether it has no name yet: nothing is left of such a
    one, however this process ends. Some file systems need one, `temporary` then."""
    try:
        return os.open(os.path.dirname(path), _NAMELESS, 0o666), True
    except OSError:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        return _opened(temporary, flags, path), False


def _link(descriptor: int, path: str) -> None:
    """Give a file without a name one (open(2), O_TMPFILE)."""
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_CLOEXEC)
    try:
        # With a directory Python calls linkat(2), which alone follows /proc's link.
        os.link(
            f"/proc/self/fd/{descriptor}",
            os.path.basename(path),
            dst_dir_fd=folder,
            follow_symlinks=True,
        )
    finally:
        os.close(folder)


def _beside(path: str) -> str:
    head, name = os.path.split(path)
    return f"{head}/.{name}.{os.urandom(4).hex()}"


def _opened(path: str, flags: int, shown: str = "") -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unwritable(shown or path, error) from error


def _unwritable(path: str, error: OSError) -> InvalidArchive:
    return InvalidArchive(f"{path!r} cannot be written: {error.strerror}.")


def _is_patchable(descriptor: int) -> bool:
    """An empty file that may be written at any place."""
    found = os.fstat(descriptor)
    appending = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
    return stat.S_ISREG(found.st_mode) and not found.st_size and not appending


def _header(name: str, size: int) -> bytes:
    entry = Entry(name.encode(), REGULAR, 0o644, size=size, stored=size)
    return format_header(entry, 0)[0]


def write_out(descriptor: int, data: bytes, where: str) -> None:
    """As `write_all`; raises StoreError where the disk is full."""
    try:
        write_all(descriptor, data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise space_error(error, where) from error
