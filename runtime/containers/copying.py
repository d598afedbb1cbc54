"""Files copied between two roots, or to and from a tar: docker's `cp`.

An end is a path in a root; the host's root is one as well. Its name is resolved once,
inside the root, and what was found is then opened through no link at all, so that a
container that swaps directories for links makes the copy fail, and never lead out
(CVE-2018-15664). What a file is called afterwards follows docker's rules
(docker/pkg/archive, copy.go).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from lamina.runtime import paths
from lamina.runtime.containers.view import is_of_the_kernel
from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.oci.layers.extract import Overrides
    from lamina.oci.tar.trees import TreeTar, Wanted

_MOST_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class NotCopied(ContainerError):
    """There is nothing to copy, or no place for it."""

    exit_code = 1


@value
class End:
    """`path` is absolute, as it was written; `label` is what messages call it."""

    root: int
    path: str
    label: str
    container: bool

    def missing(self, path: str = "") -> NotCopied:
        """That there is nothing; `path` is a part of its own."""
        label = self.label
        if path:
            label = f"{label.partition(':')[0]}:{path}" if self.container else path
        if self.container:
            return NotCopied(f"No such container:path: {label}")
        return NotCopied(f"{label}: no such file or directory")

    @property
    def is_directory_by_name(self) -> bool:
        """`a/` and `a/.` can only be directories."""
        return self.path.endswith("/") or os.path.basename(self.path) == "."

    @property
    def means_contents(self) -> bool:
        """`a/.` is what is in it, and `/` too."""
        return os.path.basename(self.path) == "." or not self.path.strip("/")


@value
class Found:
    """What an end is: the real path of its parent, its name there, its status."""

    parent: str
    name: str
    status: os.stat_result | None

    @property
    def is_directory(self) -> bool:
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)

    @property
    def path(self) -> str:
        return f"{self.parent}/{self.name}".strip("/")


def find(end: End, follow: bool) -> Found:
    """Resolve an end; with `follow` the link that it may be.

    Its last name may be missing. Raises NotCopied where one before it is.
    """
    try:
        return _walked(end, follow or end.is_directory_by_name)
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise NotCopied(f"{end.label} leads through a file.") from error
        raise _refused(end, error) from error


def _walked(end: End, follow: bool) -> Found:
    names = [name for name in end.path.split("/") if name][::-1]
    here: list[str] = []
    links = 0
    status: os.stat_result | None = None
    while names:
        name = names.pop()
        if name == "..":
            del here[-1:]
            status = None
        if name in (".", ".."):
            continue
        more = any(rest not in (".", "..") for rest in names)
        parent = paths.open_plain(end.root, "/".join(here), _FOLDER)
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode) and (more or names or follow):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), end.path)
                target = os.readlink(name, dir_fd=parent)
                if target.startswith("/"):
                    here.clear()
                names += [part for part in target.split("/") if part][::-1]
                continue
        except FileNotFoundError:
            if more:
                raise end.missing(f"/{'/'.join((*here, name))}") from None
            return Found("/".join(here), name, None)
        finally:
            os.close(parent)
        here.append(name)
    if status is not None:
        return Found("/".join(here[:-1]), here[-1], status)
    found = paths.open_plain(end.root, "/".join(here))
    try:
        status = os.fstat(found)
    finally:
        os.close(found)
    return Found("/".join(here[:-1]), here[-1] if here else "", status)


def _refused(end: End, error: OSError) -> NotCopied:
    return NotCopied(f"{end.label} cannot be used: {error.strerror}.")


@value
class Source:
    """What is to be copied: `found` there, and `name` that it has elsewhere, "." for
    what is in it."""

    end: End
    found: Found
    name: str


def source(end: End, follow: bool) -> Source:
    """What is to be copied; raises NotCopied when there is nothing."""
    found = find(end, follow)
    if found.status is None:
        raise end.missing()
    if end.is_directory_by_name and not found.is_directory:
        raise NotCopied(f"{end.label} is not a directory.")
    if end.means_contents:
        return Source(end, found, ".")
    name = os.path.basename(end.path.rstrip("/"))
    return Source(end, found, found.name if name == ".." else name)


def place(from_: Source, end: End) -> tuple[str, str]:
    """The directory that the copy goes to, and what it is called there.

    Raises NotCopied where it cannot be.
    """
    found = find(end, follow=True)
    if found.is_directory:
        return found.path, from_.name
    if found.status is not None and from_.found.is_directory:
        raise NotCopied(
            f"cannot copy directory: {end.label} is a file.",
            hint="A directory goes into a directory, or gets a new name.",
        )
    if end.is_directory_by_name and not from_.found.is_directory:
        raise NotCopied(f"no such directory: {end.label}")
    if found.status is not None and not end.container:
        _check_replaceable(end, found.status.st_mode)
    return found.parent, found.name


def _check_replaceable(end: End, mode: int) -> None:
    """A copy takes the place of what is there: not that of the host's /dev/null."""
    if not stat.S_ISREG(mode):
        device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        raise NotCopied(
            f"invalid output path: {end.label} must be a directory or a regular file: "
            f"got {'a device' if device else 'an irregular file'}.",
            hint="`lamina cp ... -` writes a tar to standard output.",
        )


# From a root to a tar, and back


@contextlib.contextmanager
def reading(
    from_: Source, name: str, wanted: Wanted
) -> Iterator[tuple[TreeTar, Iterator[bytes]]]:
    """The tar of a source, in which it is called `name`, and its pieces."""
    from lamina.oci.tar.trees import TreeTar

    found, end = from_.found, from_.end
    whole = not found.name or name == "."
    parent = _open(end, found.path if whole else found.parent)
    try:
        inner = "." if whole else found.name
        kind = stat.S_IFMT(found.status.st_mode) if found.status else 0
        if kind in (stat.S_IFCHR, stat.S_IFBLK) and not wanted.devices:
            raise NotCopied(
                f"{end.label} is a device, which the host does not get.",
                hint="In a tar it comes along: `lamina cp ... -`.",
            )
        if end.container and _is_closed(parent, inner):
            raise NotCopied(
                f"{end.label} is no file but what the kernel says.",
                hint="`lamina exec ... cat` reads it in the container.",
            )
        tar = TreeTar(parent, inner, name, wanted)
        yield tar, _explained(tar, end)
    finally:
        os.close(parent)


def _explained(tar: TreeTar, end: End) -> Iterator[bytes]:
    try:
        yield from tar
    except OSError as error:
        raise _refused(end, error) from error


def _is_closed(parent: int, name: str) -> bool:
    """Whether a file is one of the kernel's; a directory there comes without files."""
    try:
        fd = paths.open_plain(parent, name)
    except OSError:
        return False  # a symbolic link
    try:
        return not stat.S_ISDIR(os.fstat(fd).st_mode) and is_of_the_kernel(fd)
    finally:
        os.close(fd)


def write(
    read: Callable[[int], bytes], end: End, parent: str, overrides: Overrides
) -> int:
    """Unpack a tar into the directory `parent` of an end's root; bytes of files.

    Raises NotCopied, and what `extract` raises.
    """
    from lamina.oci.layers.extract import extract

    root = _open(end, parent)
    try:
        if end.container and is_of_the_kernel(root):
            raise NotCopied(f"{end.label} is the kernel's: it takes no files.")
        if os.fstatvfs(root).f_flag & os.ST_RDONLY:
            what = "mounted read-only" if end.container else "on a read-only disk"
            raise NotCopied(f"{end.label} cannot be written: it is {what}.")
    finally:
        os.close(root)
    done = extract(read, end.root, parent, overrides, copying=True)
    return done.bytes


def _open(end: End, path: str) -> int:
    try:
        return paths.open_plain(end.root, path, _FOLDER)
    except OSError as error:
        raise _refused(end, error) from error


class Stream:
    """Pieces of bytes, read in any amounts."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)
