"""apply: a layer's tar becomes a directory that overlayfs can use as it is.

image-spec, layer.md, "Applying Changesets", into an empty directory. Strict, because
what it reads comes from strangers: a name is a plain path below the root and comes
once, its directories are opened through no link, a hard link leads to a file of the
same archive, and overlay's own marks come from whiteouts alone. Whatever is refused
is refused before it is written anywhere but below the root.

A layer that names `a/b` without `a` gets a directory `a` of mode 0755, time 0.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidArchive
from lamina.oci.files.directories import Directories
from lamina.oci.layers.inodes import (
    NODES,
    Inodes,
    bad_link,
    translate,
    unknown_kind,
)
from lamina.oci.layers.skeleton import SkeletonWriter
from lamina.oci.streams.stream import Source, digested
from lamina.oci.tar.header import (
    DIRECTORY,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
)
from lamina.oci.tar.member_name import (
    OPAQUE_MARKER,
    WHITEOUT,
    check_no_whiteout,
    member_path,
    rooted_path,
    show,
)
from lamina.oci.tar.reader import Limits, TarReader
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ["Applied", "Limits", "apply"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PARENT = Entry(b"", DIRECTORY, 0o755)


@value
class Applied:
    """`diff_id` is the digest of all that was read; `entries` and `bytes` (of files)
    are what the archive holds; `skipped` counts devices that could not be made."""

    diff_id: Digest
    entries: int
    bytes: int
    skipped: int = 0


def apply(
    read: Callable[[int], bytes],
    root: str,
    limits: Limits,
    xattrs: str,
    skeleton: BinaryIO | None,
    attested: bool = False,
) -> Applied:
    """Unpack the tar that `read` gives into the empty directory `root`.

    `xattrs` is the namespace for overlay's own attributes, trusted or user. What
    `reassemble` needs goes to `skeleton`. `attested`: the caller compares the diff_id
    with one that it knows (tar/reader.py). Nothing is synced to disk. Raises
    InvalidArchive, then `root` is to be thrown away, and StoreError on a full disk.
    """
    digest = hashlib.sha256()
    chunks = digested(read, digest)
    record = SkeletonWriter(skeleton) if skeleton is not None else None
    reader = TarReader(Source(chunks), limits, record.raw if record else None, attested)
    fd = os.open(root, _DIRECTORY)
    changeset = _Changeset(fd, xattrs, record)
    try:
        # A set-group-id root would pass its group on to everything in it.
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & 0o1777)
        for entry in reader:
            changeset.add(entry, reader)
        changeset.finish()
        if record is not None:
            record.close()
    finally:
        chunks.close()
        changeset.close()
        os.close(fd)
    return Applied(
        Digest.of_all(digest),
        reader.entries,
        reader.bytes,
        len(changeset.skipped),
    )


class _Changeset:
    """The directory that is being filled, and what is known of it."""

    def __init__(self, root: int, xattrs: str, record: SkeletonWriter | None) -> None:
        self.skipped: set[bytes] = set()
        self._root = root
        self._opaque = f"{xattrs}.overlay.opaque"
        self._record = record
        self._inodes = Inodes()
        self._directories = Directories(root, self._make_parent)
        self._sources = Directories(root)
        self._whiteouts: set[bytes] = set()
        # Modes and times of directories, set when nothing is made in them any more.
        self._last: dict[bytes, tuple[int, int]] = {}

    def add(self, entry: Entry, reader: TarReader) -> None:
        """Put one member where it belongs."""
        path = member_path(entry.name)
        try:
            if WHITEOUT in path and self._add_whiteout(path, entry):
                return
            if not path:
                self._add_root(entry)
            elif entry.kind == DIRECTORY:
                self._add_directory(path, entry)
            else:
                self._add_file(path, entry, reader)
        except FileExistsError as error:
            raise _twice(path) from error
        except OSError as error:
            where = os.readlink(f"/proc/self/fd/{self._root}")
            raise translate(error, path, where) from error

    def finish(self) -> None:
        """Set what is left of the directories; the deepest need not come first, for
        a time changes only when a name in the directory does."""
        for path, (mode, mtime) in self._last.items():
            above, _, name = path.rpartition(b"/")
            fd = self._directories.open(above)
            self._inodes.finish_directory(fd, name or b".", mode, mtime)

    def close(self) -> None:
        self._directories.close()
        self._sources.close()

    def _add_file(self, path: bytes, entry: Entry, reader: TarReader) -> None:
        above, _, name = path.rpartition(b"/")
        fd = self._directories.open(above)
        if path in self._whiteouts:
            self._uncover(fd, path, name)
        if path in self.skipped:
            raise FileExistsError
        if entry.kind == REGULAR:
            if self._record is not None and entry.stored:
                self._record.file(path, entry)
            self._inodes.file(fd, name, entry, reader.payload())
        elif entry.kind == SYMLINK:
            self._inodes.symlink(fd, name, entry)
        elif entry.kind == HARD_LINK:
            self._add_link(path, entry)
        elif entry.kind in NODES:
            if not self._inodes.node(fd, name, entry):
                self.skipped.add(path)
        else:
            raise unknown_kind(entry)

    def _add_link(self, path: bytes, entry: Entry) -> None:
        """A hard link; some write its target with a `/` before it."""
        target = rooted_path(entry.link)
        if target in self.skipped:
            self.skipped.add(path)
            return
        if target in self._whiteouts:
            raise bad_link(path, target)
        above, _, name = target.rpartition(b"/")
        into, _, new = path.rpartition(b"/")
        fd = self._directories.open(into)
        try:
            source = self._sources.open(above)
            os.link(name, new, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise bad_link(path, target) from error

    def _add_root(self, entry: Entry) -> None:
        if entry.kind != DIRECTORY:
            raise InvalidArchive("The archive replaces the root by something else.")
        self._inodes.dress(self._root, b".", entry)
        self._last[b""] = (entry.mode, entry.mtime)

    def _add_directory(self, path: bytes, entry: Entry) -> None:
        """A directory, which may come again; the last owner, mode and time count."""
        above, _, name = path.rpartition(b"/")
        fd = self._directories.open(above)
        hidden = path in self._whiteouts
        if hidden:
            self._uncover(fd, path, name)
        try:
            self._inodes.directory(fd, name, entry)
        except FileExistsError:
            if path not in self._last:
                raise
            self._inodes.dress(fd, name, entry)
        self._last[path] = (entry.mode, entry.mtime)
        if hidden:
            self._make_opaque(fd, name)

    def _make_parent(self, fd: int, name: bytes, path: bytes) -> None:
        """A directory that the archive uses and does not, or not yet, have."""
        hidden = path in self._whiteouts
        if hidden:
            self._uncover(fd, path, name)
        try:
            self._inodes.directory(fd, name, _PARENT)
        except FileExistsError as error:
            raise InvalidArchive(
                f"The archive puts something below {show(path)}, which is no directory"
                " in it.",
                hint="A link there could lead out of the layer; nothing was kept.",
            ) from error
        self._last[path] = (_PARENT.mode, _PARENT.mtime)
        if hidden:
            self._make_opaque(fd, name)

    def _add_whiteout(self, path: bytes, entry: Entry) -> bool:
        """What a `.wh.` name means; false when it only looks a little like one.

        A whiteout hides what lower layers have, never what this archive has: one
        beside a directory of the same archive makes that opaque.
        """
        above, _, name = path.rpartition(b"/")
        check_no_whiteout(above)
        if not name.startswith(WHITEOUT):
            return False
        hidden = name[len(WHITEOUT) :]
        if name != OPAQUE_MARKER and (
            hidden in (b"", b".", b"..") or hidden.startswith(WHITEOUT)
        ):
            raise InvalidArchive(f"The whiteout {show(path)} names no file.")
        if entry.kind != REGULAR or entry.size:
            raise InvalidArchive(f"The whiteout {show(path)} is no empty file.")
        fd = self._directories.open(above)
        if name == OPAQUE_MARKER:
            self._make_opaque(fd, b".")
            return True
        target = above + b"/" + hidden if above else hidden
        if target in self._whiteouts:
            raise FileExistsError
        try:
            os.mknod(hidden, stat.S_IFCHR | 0o600, 0, dir_fd=fd)
            self._whiteouts.add(target)
        except FileExistsError:
            if target in self._last:
                self._make_opaque(fd, hidden)
        return True

    def _uncover(self, fd: int, path: bytes, name: bytes) -> None:
        """Take a whiteout away for what the same archive has at its place."""
        os.unlink(name, dir_fd=fd)
        self._whiteouts.discard(path)

    def _make_opaque(self, fd: int, name: bytes) -> None:
        own = os.open(name, _DIRECTORY, dir_fd=fd)
        try:
            os.setxattr(own, self._opaque, b"y")
        finally:
            os.close(own)


def _twice(path: bytes) -> InvalidArchive:
    return InvalidArchive(
        f"The archive has {show(path)} twice.",
        hint="Which one counts would depend on who reads it; nothing was kept.",
    )
