"""What COPY means: chosen files into a new layer (docs/language.md).

The destination is found in the view of the layers below, links followed inside it,
the last component too. A file goes into a directory or becomes the destination; of a
directory the contents go. What arrives from the context belongs to 0:0, from a stage
to whom it did; times are kept. Each file is checked to be what was digested.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING

from lamina.builder.errors import CopyConflict, CopyFailed
from lamina.builder.fetching.fetched import FetchedFile
from lamina.builder.ops.chmod import parse_mode
from lamina.builder.ops.copier import Copier, Known, TreeCopy, changed
from lamina.builder.ops.upper import (
    COPIED,
    FRESH,
    KEPT,
    Directory,
    Upper,
    not_a_directory,
)
from lamina.builder.sources.items import FileItem, TreeItem
from lamina.builder.sources.reading import carried
from lamina.builder.sources.record import MTIME, unpack_record
from lamina.builder.sources.resolve import open_directory, resolve
from lamina.builder.sources.transfer import Transfer
from lamina.oci.files.workspace import space_error
from lamina.oci.files.writing import write_all
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.builder.ops.previous import Previous
    from lamina.builder.sources.items import Item
    from lamina.builder.sources.tree import Tree

_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_ROOT = (0, 0)


@value
class Inline:
    """A file whose content stands in the recipe."""

    name: str
    content: bytes
    mode: int = 0o644


@value
class Arrival:
    """Where and how files arrive.

    `dest` is absolute; a slash at its end says that it is a directory. `owner` and
    `chmod` ("" for none) replace what the files have. `last_wins`: of
    several files that `dest` could become it becomes the last.
    """

    dest: str
    owner: tuple[int, int] | None = None
    chmod: str = ""
    last_wins: bool = False


@value
class Onto:
    """What a COPY or ADD writes on: the layers below, topmost first; a descriptor of
    them merged, None for none; and the new layer's directory."""

    lowers: tuple[str, ...]
    view: int | None
    upper: str


@value
class Copied:
    """What came to lie in the layer: entries, bytes of regular files."""

    entries: int
    bytes: int


def copy_into(
    items: Iterable[Item | Inline | FetchedFile],
    view: int | None,
    upper: str,
    arrival: Arrival,
    *,
    several: bool = False,
    previous: Previous | None = None,
) -> Copied:
    """Write `items` into the changeset directory `upper`.

    `several` says that they are some of several, which need a directory to go to.

    `previous` is the layer that the same copy made before. `view` is a descriptor of
    the layers below, merged (O_PATH will do); None for a layer on nothing. Raises
    CopyConflict, CopyFailed, SourceChanged, InvalidMode, StoreError when the disk is
    full.
    """
    items = tuple(items)
    if not items:
        return Copied(0, 0)
    try:
        several = several or len(items) > 1
        copying = _Copying(view, upper, arrival, several=several, previous=previous)
        try:
            for item in items:
                copying.put(item)
            copying.finish()
        finally:
            copying.close()
    except OSError as error:
        raise _explained(error, upper) from error
    return Copied(copying.entries, copying.bytes)


def make_directory(view: int | None, upper: str, arrival: Arrival) -> None:
    """The directory `arrival.dest` and those on the way to it: WORKDIR."""
    try:
        copying = _Copying(view, upper, arrival)
        try:
            copying.destination()
            copying.finish()
        finally:
            copying.close()
    except OSError as error:
        raise _explained(error, upper) from error


class _Copying:
    """One COPY in progress."""

    def __init__(
        self,
        view: int | None,
        upper: str,
        arrival: Arrival,
        *,
        several: bool = False,
        previous: Previous | None = None,
    ) -> None:
        self._previous = previous
        self._change = parse_mode(arrival.chmod) if arrival.chmod else None
        self._owner = arrival.owner
        self._dest = arrival.dest
        self._parts, self._into = _destination(view, arrival)
        if several and not self._into and not arrival.last_wins:
            raise CopyConflict(
                f"Several files cannot all become {arrival.dest}.",
                hint="End the destination with a slash to copy into a directory.",
            )
        self.entries = 0
        self.bytes = 0
        self._upper = Upper(upper, view)
        kept = view is None or bool(os.listdir(self._upper.root.fd))
        # The directories on the way to the destination, and how each came to be.
        self._chain = [(self._upper.root, KEPT if kept else COPIED)]
        self._top_mtime: int | None = None

    def close(self) -> None:
        for directory, _ in self._chain:
            directory.close()

    def put(self, item: Item | Inline | FetchedFile) -> None:
        """Copy one item to where it belongs."""
        if isinstance(item, TreeItem):
            self._tree(item)
            self._into = True
            return
        if self._into:
            if not item.name:
                raise CopyConflict(
                    f"What goes to {self._dest} has no name of its own.",
                    hint="Say what the file is to be called.",
                )
            parent, name = self._reach(len(self._parts)), item.name
        else:
            parent, name = self._reach(len(self._parts) - 1), self._parts[-1]
        if isinstance(item, FileItem):
            self._entry(item, parent, name)
        elif isinstance(item, Inline):
            self._inline(item, parent, name)
        else:
            self._fetched(item, parent, name)

    def finish(self) -> None:
        """Owners, modes and times of the directories on the way, innermost first."""
        for depth in range(len(self._chain) - 1, -1, -1):
            directory, origin = self._chain[depth]
            mtime = self._top_mtime if depth == len(self._parts) else None
            if origin == COPIED and directory.view is not None:
                self._like_view(directory, directory.view, mtime)
            elif origin == FRESH:
                mode = 0o755
                if self._change is not None and self._change.octal is not None:
                    mode = self._change.octal
                self._upper.finish(directory, self._owner or _ROOT, mode, mtime)
            elif mtime is not None:
                os.utime(directory.fd, ns=(mtime, mtime))

    def destination(self) -> Directory:
        """The destination itself, as a directory."""
        return self._reach(len(self._parts))

    def _reach(self, depth: int) -> Directory:
        """The directory that the first `depth` parts of the destination lead to."""
        while len(self._chain) <= depth:
            part = self._parts[len(self._chain) - 1]
            directory, origin = self._upper.enter(self._chain[-1][0], part)
            self._chain.append((directory, origin))
            self.entries += 1
        return self._chain[depth][0]

    def _like_view(self, directory: Directory, view: int, mtime: int | None) -> None:
        status = os.fstat(view)
        owner = (status.st_uid, status.st_gid)
        self._upper.attributes(directory.fd, carried(view, owners=True))
        mode = stat.S_IMODE(status.st_mode)
        if mtime is None:
            mtime = status.st_mtime_ns
        self._upper.finish(directory, owner, mode, mtime)

    def _inline(self, item: Inline, parent: Directory, name: str) -> None:
        mode = self._mode(item.mode, directory=False)
        fd = self._upper.file(parent, name, mode)
        try:
            write_all(fd, item.content)
            self._upper.finish_file(fd, self._owner or _ROOT, mode, None)
        finally:
            os.close(fd)
        self._count(len(item.content))

    def _fetched(self, item: FetchedFile, parent: Directory, name: str) -> None:
        mode = self._mode(item.mode, directory=False)
        source = os.open(item.path, _SOURCE)
        try:
            size = os.fstat(source).st_size
            fd = self._upper.file(parent, name, mode)
            try:
                Transfer().copy(source, fd, size)
                self._upper.finish_file(fd, self._owner or _ROOT, mode, item.mtime)
            finally:
                os.close(fd)
        finally:
            os.close(source)
        self._count(size)

    def _entry(self, item: FileItem, parent: Directory, name: str) -> None:
        head, _, source = item.entry.path.rpartition("/")
        copier = self._copier(item.tree)
        copier.folder = head
        try:
            directory = open_directory(item.tree.root, head)
        except OSError as error:
            raise changed(item.entry.path, item.tree) from error
        try:
            entry = item.entry
            known = Known(unpack_record(entry.record), entry.digest, entry.racy)
            copier.copy(directory, source, known, parent, name)
        finally:
            os.close(directory)
        self._count(copier.bytes)

    def _tree(self, item: TreeItem) -> None:
        copier = self._copier(item.tree)
        try:
            TreeCopy(self._upper, copier, item).run(self.destination())
        finally:
            self.entries += copier.entries
            self.bytes += copier.bytes
        if not item.parents:
            self._top_mtime = unpack_record(item.listings[0].record)[MTIME]

    def _copier(self, tree: Tree) -> Copier:
        return Copier(self._upper, tree, self._owner, self._change, self._previous)

    def _mode(self, mode: int, directory: bool) -> int:
        if self._change is None:
            return mode & 0o7777
        return self._change.of(mode, directory)

    def _count(self, size: int) -> None:
        self.entries += 1
        self.bytes += size


def _destination(view: int | None, arrival: Arrival) -> tuple[tuple[str, ...], bool]:
    """The components of the destination, links resolved, and whether it is a directory
    that files go into."""
    wants_directory = arrival.dest.endswith("/")
    plain = posixpath.normpath("/" + arrival.dest).strip("/")
    parts = tuple(plain.split("/")) if plain else ()
    if not parts:
        return (), True
    if view is None:
        return parts, wants_directory
    try:
        place = resolve(view, arrival.dest)
    except NotADirectoryError as error:
        raise not_a_directory(arrival.dest.rstrip("/")) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise CopyConflict(f"{arrival.dest} leads through a loop of links.") from error
    is_directory = place.status is not None and stat.S_ISDIR(place.status.st_mode)
    if wants_directory and place.status is not None and not is_directory:
        raise not_a_directory(arrival.dest.rstrip("/"))
    return place.parts, wants_directory or is_directory


def _explained(error: OSError, upper: str) -> Exception:
    if error.errno in _FULL:
        return space_error(error, upper)
    where = f" {error.filename}" if error.filename else ""
    return CopyFailed(f"Copying{where} failed: {error.strerror}.")
