"""Copier: entries of one tree into a new layer, each checked to be what was chosen.

A selection gives every entry the stamps that its digest belongs to. After a file was
copied its stamps are looked at again; where they prove nothing, being too young, the
copy itself is digested.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING

from lamina.builder.errors import SourceChanged
from lamina.builder.sources.reading import carried
from lamina.builder.sources.record import (
    CTIME,
    DEVICE,
    DIGEST_SIZE,
    GID,
    INODE,
    LINKS,
    MODE,
    MTIME,
    RECORD_SIZE,
    SIZE,
    UID,
    unpack_record,
)
from lamina.builder.sources.resolve import DIRECTORY, open_directory
from lamina.builder.sources.transfer import Transfer, digest_of_written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.ops.chmod import ModeChange
    from lamina.builder.ops.previous import Previous
    from lamina.builder.ops.upper import Directory, Upper
    from lamina.builder.sources.items import FileItem, TreeItem
    from lamina.builder.sources.listing import Listing
    from lamina.builder.sources.tree import Tree

_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_ROOT = (0, 0)


class Known:
    """What the selection says of an entry: the fields of its Record, its digest."""

    __slots__ = ("digest", "fields", "racy")

    def __init__(self, fields: tuple[int, ...], digest: bytes, racy: bool) -> None:
        self.fields = fields
        self.digest = digest
        self.racy = racy


class Copier:
    """Copies single entries of one tree."""

    def __init__(
        self,
        upper: Upper,
        tree: Tree,
        owner: tuple[int, int] | None,
        change: ModeChange | None,
        previous: Previous | None = None,
    ) -> None:
        self.tree = tree
        # The directory of the tree that entries are copied from, for messages.
        self.folder = ""
        self.entries = 0
        self.bytes = 0
        self._upper = upper
        self._owner = owner
        self._change = change
        self._previous = previous
        self._transfer = Transfer()
        # The first name in the layer of each inode with several, within one source.
        self._inodes: dict[tuple[int, int], str] = {}

    def owner(self, fields: tuple[int, ...]) -> tuple[int, int]:
        if self._owner is not None:
            return self._owner
        return (fields[UID], fields[GID]) if self.tree.owners else _ROOT

    def mode(self, fields: tuple[int, ...], directory: bool = False) -> int:
        if self._change is None:
            return fields[MODE] & 0o7777
        return self._change.of(fields[MODE], directory)

    def copy(
        self,
        source: int,
        source_name: str,
        known: Known,
        parent: Directory,
        name: str,
    ) -> None:
        """The entry `source_name` of the open directory `source` as `parent`/`name`.

        Raises SourceChanged when it is not what the selection says any more.
        """
        self.entries += 1
        fields = known.fields
        if fields[LINKS] > 1:
            path = parent.child_path(name)
            first = self._inodes.setdefault((fields[DEVICE], fields[INODE]), path)
            if first != path and self._upper.link(parent, name, first):
                return
        try:
            if stat.S_ISREG(fields[MODE]):
                self._regular(source, source_name, known, parent, name)
            elif stat.S_ISLNK(fields[MODE]):
                self._symlink(source, source_name, known, parent, name)
            else:
                self._special(source, source_name, known, parent, name)
        except (FileNotFoundError, _Different) as error:
            path = f"{self.folder}/{source_name}".lstrip("/")
            raise changed(path, self.tree) from error

    def _regular(
        self, source: int, source_name: str, known: Known, parent: Directory, name: str
    ) -> None:
        fields = known.fields
        mode = self.mode(fields)
        if fields[LINKS] == 1 and self._previous is not None:
            wanted = (mode, *self.owner(fields), fields[SIZE], fields[MTIME])
            if self._previous.link(self._upper, parent, name, known.digest, wanted):
                self.bytes += fields[SIZE]
                return
        given = _open_source(source, source_name)
        try:
            made = self._upper.file(parent, name, mode)
            try:
                self._transfer.copy(given, made, fields[SIZE])
                attributes = carried(given, self.tree.owners)
                if not _is_same(os.fstat(given), fields, self.tree.owners):
                    raise _Different
                if known.racy:
                    _check_content(made, attributes, known.digest)
                self._upper.finish_file(
                    made, self.owner(fields), mode, fields[MTIME], attributes
                )
            finally:
                os.close(made)
        finally:
            os.close(given)
        self.bytes += fields[SIZE]

    def _symlink(
        self, source: int, source_name: str, known: Known, parent: Directory, name: str
    ) -> None:
        try:
            target = os.readlink(source_name, dir_fd=source)
        except OSError as error:
            raise _Different from error
        if sha256(os.fsencode(target)).digest() != known.digest:
            raise _Different
        self._upper.symlink(parent, name, target)
        self._upper.finish_name(
            parent, name, self.owner(known.fields), known.fields[MTIME]
        )

    def _special(
        self, source: int, source_name: str, known: Known, parent: Directory, name: str
    ) -> None:
        status = os.stat(source_name, dir_fd=source, follow_symlinks=False)
        if not _is_same(status, known.fields, self.tree.owners):
            raise _Different
        self._upper.special(parent, name, status, self.mode(known.fields))
        self._upper.finish_name(
            parent, name, self.owner(known.fields), known.fields[MTIME]
        )


class TreeCopy:
    """The contents of one directory into another, by descriptor at every level."""

    def __init__(self, upper: Upper, copier: Copier, item: TreeItem) -> None:
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
            raise changed(listing.path, self._item.tree) from error
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
            self._upper.finish(made, self._copier.owner(fields), mode, fields[MTIME])
        finally:
            made.close()

    def _files(self, listing: Listing) -> None:
        _, source, directory = self._levels[-1]
        records, digests, racy = listing.records, listing.digests, listing.racy
        copy = self._copier.copy
        self._copier.folder = listing.path
        for index, name in enumerate(listing.names):
            at = index * DIGEST_SIZE
            known = Known(
                unpack_record(records[index * RECORD_SIZE : (index + 1) * RECORD_SIZE]),
                digests[at : at + DIGEST_SIZE],
                name in racy,
            )
            copy(source, name, known, directory, name)


@contextlib.contextmanager
def opened(item: FileItem) -> Iterator[int | None]:
    """A chosen file, open for reading; None if it is no regular file.

    Raises SourceChanged at the end when it is not what was chosen any more.
    """
    fields = unpack_record(item.entry.record)
    if not stat.S_ISREG(fields[MODE]):
        yield None
        return
    head, _, name = item.entry.path.rpartition("/")
    try:
        directory = open_directory(item.tree.root, head)
        try:
            fd = _open_source(directory, name)
        finally:
            os.close(directory)
    except (FileNotFoundError, NotADirectoryError, _Different) as error:
        raise changed(item.entry.path, item.tree) from error
    try:
        yield fd
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if not _is_same(after, fields, item.tree.owners):
        raise changed(item.entry.path, item.tree)


class _Different(Exception):
    """An entry is not what the selection says."""


def _open_source(directory: int, name: str) -> int:
    try:
        return os.open(name, _SOURCE, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _Different from error
        raise


def _is_same(status: os.stat_result, fields: tuple[int, ...], layer: bool) -> bool:
    """Whether the stamps after reading are those that the digest belongs to.

    The files of layers never change, but get other names (see previous.py), and with
    each another ctime.
    """
    return (
        status.st_ino == fields[INODE]
        and status.st_size == fields[SIZE]
        and status.st_mtime_ns == fields[MTIME]
        and (layer or status.st_ctime_ns == fields[CTIME])
    )


def _check_content(
    made: int, attributes: tuple[tuple[str, bytes], ...], digest: bytes
) -> None:
    """What was written has the digest: for files whose stamps prove nothing yet."""
    found = digest_of_written(made)
    if attributes:
        found = sha256(found + repr(attributes).encode()).digest()
    if found != digest:
        raise _Different


def changed(path: str, tree: Tree) -> SourceChanged:
    return SourceChanged(
        f"{path} of {tree.name} changed while it was being read.",
        hint="Build again when nothing writes to it, or name it in .dockerignore.",
    )
