"""What COPY means: chosen files into a new layer (dockerfile.md section 1.8).

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
from hashlib import sha256
from typing import TYPE_CHECKING

from lamina.builder.chmod import ModeChange, parse_mode
from lamina.builder.errors import CopyConflict, CopyFailed, SourceChanged
from lamina.builder.reading import carried
from lamina.builder.resolve import DIRECTORY, open_directory, resolve
from lamina.builder.selection import FileItem, TreeItem
from lamina.builder.stat_cache import (
    DIGEST_SIZE,
    RECORD_SIZE,
    unpack_record,
)
from lamina.builder.transfer import Transfer, digest_of_written, write_all
from lamina.builder.upper import COPIED, FRESH, KEPT, Directory, Upper, not_a_directory
from lamina.oci.workspace import space_error
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.builder.selection import Item
    from lamina.builder.tree import Listing, Tree

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
class Fetched:
    """A file that was downloaded to `path`; `mtime` in ns, None when nobody told."""

    name: str
    path: str
    mtime: int | None
    mode: int = 0o600


@value
class Arrival:
    """Where and how files arrive.

    `dest` is absolute; a slash at its end says that it is a directory. `owner` and
    `chmod` ("" for none) replace what the files have. `link`: no link in `dest` is
    followed, and real directories take the place of what is there.
    """

    dest: str
    owner: tuple[int, int] | None = None
    chmod: str = ""
    link: bool = False


@value
class Copied:
    """What came to lie in the layer: entries, bytes of regular files."""

    entries: int
    bytes: int


def copy_into(
    items: Iterable[Item | Inline | Fetched],
    view: int | None,
    upper: str,
    arrival: Arrival,
) -> Copied:
    """Write `items` into the changeset directory `upper`.

    `view` is a descriptor of the layers below, merged (O_PATH will do); None for a
    layer on nothing. Raises CopyConflict, CopyFailed, SourceChanged, InvalidMode,
    StoreError when the disk is full.
    """
    items = tuple(items)
    if not items:
        return Copied(0, 0)
    try:
        copying = _Copying(view, upper, arrival, several=len(items) > 1)
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
        copying = _Copying(view, upper, arrival, several=False)
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
        self, view: int | None, upper: str, arrival: Arrival, several: bool
    ) -> None:
        self._change = parse_mode(arrival.chmod) if arrival.chmod else None
        self._owner = arrival.owner
        self._parts, self._into = _destination(view, arrival)
        if several and not self._into:
            raise CopyConflict(
                f"Several files cannot all become {arrival.dest}.",
                hint="End the destination with a slash to copy into a directory.",
            )
        self.entries = 0
        self.bytes = 0
        self._upper = Upper(upper, view, replace=arrival.link)
        kept = view is None or bool(os.listdir(self._upper.root.fd))
        # The directories on the way to the destination, and how each came to be.
        self._chain = [(self._upper.root, KEPT if kept else COPIED)]
        self._top_mtime: int | None = None

    def close(self) -> None:
        for directory, _ in self._chain:
            directory.close()

    def put(self, item: Item | Inline | Fetched) -> None:
        """Copy one item to where it belongs."""
        if isinstance(item, TreeItem):
            self._tree(item)
            return
        if self._into:
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

    def _fetched(self, item: Fetched, parent: Directory, name: str) -> None:
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
        try:
            directory = open_directory(item.tree.root, head)
        except OSError as error:
            raise _changed(item.entry.path, item.tree) from error
        try:
            entry = item.entry
            known = _Known(unpack_record(entry.record), entry.digest, entry.racy)
            copier.copy(directory, source, known, parent, name)
        finally:
            os.close(directory)
        self._count(copier.bytes)

    def _tree(self, item: TreeItem) -> None:
        copier = self._copier(item.tree)
        try:
            _TreeCopy(self._upper, copier, item).run(self.destination())
        finally:
            self.entries += copier.entries
            self.bytes += copier.bytes
        if not item.parents:
            self._top_mtime = unpack_record(item.listings[0].record)[7]

    def _copier(self, tree: Tree) -> _Copier:
        return _Copier(self._upper, tree, self._owner, self._change)

    def _mode(self, mode: int, directory: bool) -> int:
        if self._change is None:
            return mode & 0o7777
        return self._change.of(mode, directory)

    def _count(self, size: int) -> None:
        self.entries += 1
        self.bytes += size


class _Known:
    """What the selection says of an entry: the fields of its Record, its digest."""

    __slots__ = ("digest", "fields", "racy")

    def __init__(self, fields: tuple[int, ...], digest: bytes, racy: bool) -> None:
        self.fields = fields
        self.digest = digest
        self.racy = racy


class _Copier:
    """Copies single entries of one tree."""

    def __init__(
        self,
        upper: Upper,
        tree: Tree,
        owner: tuple[int, int] | None,
        change: ModeChange | None,
    ) -> None:
        self.tree = tree
        self.entries = 0
        self.bytes = 0
        self._upper = upper
        self._owner = owner
        self._change = change
        self._transfer = Transfer()
        # The first name in the layer of each inode with several, within one source.
        self._inodes: dict[tuple[int, int], str] = {}

    def owner(self, fields: tuple[int, ...]) -> tuple[int, int]:
        if self._owner is not None:
            return self._owner
        return (fields[4], fields[5]) if self.tree.owners else _ROOT

    def mode(self, fields: tuple[int, ...], directory: bool = False) -> int:
        if self._change is None:
            return fields[0] & 0o7777
        return self._change.of(fields[0], directory)

    def copy(
        self,
        source: int,
        source_name: str,
        known: _Known,
        parent: Directory,
        name: str,
    ) -> None:
        """The entry `source_name` of the open directory `source` as `parent`/`name`.

        Raises SourceChanged when it is not what the selection says any more.
        """
        self.entries += 1
        fields = known.fields
        if fields[3] > 1:
            path = parent.child_path(name)
            first = self._inodes.setdefault((fields[2], fields[1]), path)
            if first != path and self._upper.link(parent, name, first):
                return
        try:
            if stat.S_ISREG(fields[0]):
                self._regular(source, source_name, known, parent, name)
            elif stat.S_ISLNK(fields[0]):
                self._symlink(source, source_name, known, parent, name)
            else:
                self._special(source, source_name, known, parent, name)
        except (FileNotFoundError, _Different) as error:
            raise _changed(source_name, self.tree) from error

    def _regular(
        self, source: int, source_name: str, known: _Known, parent: Directory, name: str
    ) -> None:
        fields = known.fields
        mode = self.mode(fields)
        given = _open_source(source, source_name)
        try:
            made = self._upper.file(parent, name, mode)
            try:
                self._transfer.copy(given, made, fields[6])
                attributes = carried(given, self.tree.owners)
                _check(os.fstat(given), fields)
                if known.racy:
                    _check_content(made, attributes, known.digest)
                self._upper.finish_file(
                    made, self.owner(fields), mode, fields[7], attributes
                )
            finally:
                os.close(made)
        finally:
            os.close(given)
        self.bytes += fields[6]

    def _symlink(
        self, source: int, source_name: str, known: _Known, parent: Directory, name: str
    ) -> None:
        try:
            target = os.readlink(source_name, dir_fd=source)
        except OSError as error:
            raise _Different from error
        if sha256(os.fsencode(target)).digest() != known.digest:
            raise _Different
        self._upper.symlink(parent, name, target)
        self._upper.finish_name(parent, name, self.owner(known.fields), known.fields[7])

    def _special(
        self, source: int, source_name: str, known: _Known, parent: Directory, name: str
    ) -> None:
        status = os.stat(source_name, dir_fd=source, follow_symlinks=False)
        _check(status, known.fields)
        self._upper.special(parent, name, status, self.mode(known.fields))
        self._upper.finish_name(parent, name, self.owner(known.fields), known.fields[7])


class _TreeCopy:
    """The contents of one directory into another, by descriptor at every level."""

    def __init__(self, upper: Upper, copier: _Copier, item: TreeItem) -> None:
        self._upper = upper
        self._copier = copier
        self._item = item
        # A source directory's listing and descriptor, and where its files go.
        self._levels: list[tuple[Listing, int, Directory]] = []

    def run(self, top: Directory) -> None:
        tree = self._item.tree
        try:
            for listing in self._item.listings:
                if not self._levels:
                    source = open_directory(tree.root, listing.path)
                    self._levels.append((listing, source, top))
                else:
                    self._enter(listing)
                self._files(listing)
            while len(self._levels) > 1:
                self._leave()
        finally:
            for index, (_, source, directory) in enumerate(self._levels):
                os.close(source)
                if index:
                    directory.close()

    def _enter(self, listing: Listing) -> None:
        head, _, name = listing.path.rpartition("/")
        while self._levels[-1][0].path != head:
            self._leave()
        _, source, directory = self._levels[-1]
        try:
            inner = os.open(name, DIRECTORY, dir_fd=source)
        except OSError as error:
            raise _changed(listing.path, self._item.tree) from error
        try:
            made, _ = self._upper.enter(directory, name)
        except BaseException:
            os.close(inner)
            raise
        self._copier.entries += 1
        self._levels.append((listing, inner, made))

    def _leave(self) -> None:
        """A nested directory gets its source's owner, mode, attributes and mtime."""
        listing, source, made = self._levels.pop()
        os.close(source)
        try:
            fields = unpack_record(listing.record)
            self._upper.attributes(made.fd, listing.xattrs)
            mode = self._copier.mode(fields, directory=True)
            self._upper.finish(made, self._copier.owner(fields), mode, fields[7])
        finally:
            made.close()

    def _files(self, listing: Listing) -> None:
        _, source, directory = self._levels[-1]
        records, digests, racy = listing.records, listing.digests, listing.racy
        copy = self._copier.copy
        for index, name in enumerate(listing.names):
            at = index * DIGEST_SIZE
            known = _Known(
                unpack_record(records[index * RECORD_SIZE : (index + 1) * RECORD_SIZE]),
                digests[at : at + DIGEST_SIZE],
                name in racy,
            )
            copy(source, name, known, directory, name)


class _Different(Exception):
    """An entry is not what the selection says."""


def _open_source(directory: int, name: str) -> int:
    try:
        return os.open(name, _SOURCE, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _Different from error
        raise


def _check(status: os.stat_result, fields: tuple[int, ...]) -> None:
    """The stamps after reading are those that the digest belongs to."""
    if (
        status.st_ino != fields[1]
        or status.st_size != fields[6]
        or status.st_mtime_ns != fields[7]
        or status.st_ctime_ns != fields[8]
    ):
        raise _Different


def _check_content(
    made: int, attributes: tuple[tuple[str, bytes], ...], digest: bytes
) -> None:
    """What was written has the digest: for files whose stamps prove nothing yet."""
    found = digest_of_written(made)
    if attributes:
        found = sha256(found + repr(attributes).encode()).digest()
    if found != digest:
        raise _Different


def _destination(view: int | None, arrival: Arrival) -> tuple[tuple[str, ...], bool]:
    """The components of the destination, links resolved, and whether it is a directory
    that files go into."""
    wants_directory = arrival.dest.endswith("/")
    plain = posixpath.normpath("/" + arrival.dest).strip("/")
    parts = tuple(plain.split("/")) if plain else ()
    if not parts:
        return (), True
    if view is None or arrival.link:
        return parts, wants_directory or _is_real_directory(view, parts)
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


def _is_real_directory(view: int | None, parts: tuple[str, ...]) -> bool:
    if view is None:
        return False
    try:
        os.close(open_directory(view, "/".join(parts)))
    except OSError:
        return False
    return True


def _changed(path: str, tree: Tree) -> SourceChanged:
    return SourceChanged(
        f"{path} of {tree.name} changed while it was being read.",
        hint="Build again when nothing writes to it, or name it in .dockerignore.",
    )


def _explained(error: OSError, upper: str) -> Exception:
    if error.errno in _FULL:
        return space_error(error, upper)
    where = f" {error.filename}" if error.filename else ""
    return CopyFailed(f"Copying{where} failed: {error.strerror}.")
