"""Tree: a source of files, listed and digested a directory at a time.

A tree is the build context, seen through its ignore patterns, or the root of a stage
or an image. An entry's digest covers its name, type, mode and content (bytes, link
target or device number) and the attributes that a copy carries along; in a stage its
owner too, since COPY keeps it. Times are in no digest.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256

from lamina.builder.errors import CopyFailed
from lamina.builder.sources.ignore import NO_MATCH, NOTHING_IGNORED, Ignore
from lamina.builder.sources.listing import Entry, Listing, linked
from lamina.builder.sources.reading import Reader
from lamina.builder.sources.record import (
    DIGEST_SIZE,
    RECORD_SIZE,
    UNKNOWN,
    pack_record,
    record_of,
)
from lamina.builder.sources.resolve import DIRECTORY, Place, open_directory, resolve
from lamina.builder.sources.stat_cache import FILE, StatCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.meter import Meter
    from lamina.builder.sources.stat_cache import Row


class Tree:
    """Files below the directory `root`, an open descriptor that the tree then owns.

    `owners` says that ids and user attributes count, and are kept by a copy.
    """

    def __init__(
        self,
        root: int,
        name: str,
        ignore: Ignore = NOTHING_IGNORED,
        cache: StatCache | None = None,
        *,
        owners: bool,
        meter: Meter | None = None,
    ) -> None:
        self.root = root
        self.name = name
        self.ignore = ignore
        self.owners = owners
        self.cache = cache or StatCache(None, "")
        self.reader = Reader(name, owners=owners, meter=meter)
        self._walks: dict[tuple[str, tuple[str, ...]], tuple[Listing, ...]] = {}

    def close(self) -> None:
        self.cache.save()
        os.close(self.root)

    def resolve(self, path: str, *, follow_last: bool = True) -> Place:
        """Where `path` leads; links are followed inside the tree."""
        return resolve(self.root, path, follow_last=follow_last)

    def entry(self, path: str) -> Entry | None:
        """The file at a canonical path, with its digest; None when it is gone."""
        head, _, name = path.rpartition("/")
        fd = open_directory(self.root, head)
        try:
            record = record_of(os.stat(name, dir_fd=fd, follow_symlinks=False))
            row = self.cache.row((path, FILE))
            if row is not None and row[1] == record:
                return Entry(path, record, row[2], False)
            read = self.reader.read(fd, name, record, path)
        finally:
            os.close(fd)
        if read is None:
            return None
        record, digest, racy = read
        if not racy:
            self.cache.keep((path, FILE), (name, record, digest, b""))
        return Entry(path, record, digest, racy)

    def walk(self, path: str, exclude: Ignore) -> tuple[Listing, ...]:
        """The directory at a canonical path and all below it, parents first.

        The patterns of `exclude` are relative to it. What is ignored is never read.
        """
        key = (path, exclude.patterns)
        found = self._walks.get(key)
        if found is None:
            found = self._walks[key] = tuple(_Walk(self, path, exclude).run())
            self.cache.walked(path, "\0".join(exclude.patterns))
        return found

    def names(self, path: str) -> list[str]:
        """What is in the directory at a canonical path, ignored things left out."""
        fd = open_directory(self.root, path)
        try:
            names = sorted(os.listdir(fd))
        finally:
            os.close(fd)
        prefix = f"{path}/" if path else ""
        if not self.ignore:
            return names
        return [name for name in names if self.is_visible(prefix + name)]

    def is_visible(self, path: str) -> bool:
        """Whether the canonical `path` counts: an ignored directory does when an
        exception brings something in it back."""
        if not self.ignore.excludes(path):
            return True
        if not self.ignore.may_include_below(path):
            return False
        try:
            return bool(self.walk(path, NOTHING_IGNORED))
        except NotADirectoryError:
            return False


class _Level:
    """A directory being walked: its descriptor, and the directories still in it."""

    def __init__(self, fd: int, path: str, rank: tuple[int, int], hidden: bool) -> None:
        self.fd = fd
        self.path = path
        self.rank = rank
        self.hidden = hidden
        self.directories: list[str] = []


class _Walk:
    """One walk. Iterative and by descriptor: paths may be longer than PATH_MAX."""

    def __init__(self, tree: Tree, path: str, exclude: Ignore) -> None:
        self._tree = tree
        self._ignore = tree.ignore
        self._exclude = exclude
        self._path = path
        self._skip = len(path) + 1 if path else 0
        self._patterns = "\0".join(exclude.patterns)
        self._plain = not tree.ignore and not exclude
        self._listings: list[Listing] = []

    def run(self) -> list[Listing]:
        """All listings, a directory before what is in it, siblings by name."""
        tree = self._tree
        rank = (self._rank_of_top(), NO_MATCH)
        hidden = tree.ignore.is_exclusion(rank[0])
        top = _Level(open_directory(tree.root, self._path), self._path, rank, hidden)
        levels = [top]
        try:
            self._list(top)
            while levels:
                level = levels[-1]
                if level.directories:
                    inner = self._enter(level, level.directories.pop())
                    if inner is not None:
                        levels.append(inner)
                        self._list(inner)
                    continue
                self._leave(levels.pop())
        finally:
            for level in levels:
                os.close(level.fd)
        return self._listings

    def _rank_of_top(self) -> int:
        found = NO_MATCH
        parts = self._path.split("/") if self._path else []
        for depth in range(1, len(parts) + 1):
            found = self._ignore.last_match("/".join(parts[:depth]), found)
        return found

    def _enter(self, level: _Level, name: str) -> _Level | None:
        """The directory `name`, unless it is excluded with all that is in it."""
        path = f"{level.path}/{name}" if level.path else name
        rank, hidden = level.rank, False
        if not self._plain:
            rank = self._rank(path, level.rank)
            for patterns, index, at in (
                (self._ignore, rank[0], path),
                (self._exclude, rank[1], path[self._skip :]),
            ):
                if patterns.is_exclusion(index):
                    hidden = True
                    if not patterns.may_include_below(at):
                        return None
        try:
            fd = os.open(name, DIRECTORY, dir_fd=level.fd)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise self._tree.reader.changes(path) from None
        except PermissionError as error:
            raise CopyFailed(
                f"{self._tree.name} has a directory that cannot be read: {path}.",
                hint="Change its mode, or name it in .dockerignore.",
            ) from error
        return _Level(fd, path, rank, hidden)

    def _leave(self, level: _Level) -> None:
        """Excluded directories count only when something below them does."""
        os.close(level.fd)
        last = self._listings[-1]
        if level.hidden and last.path == level.path and not last.joined:
            self._listings.pop()

    def _rank(self, path: str, above: tuple[int, int]) -> tuple[int, int]:
        return (
            self._ignore.last_match(path, above[0]),
            self._exclude.last_match(path[self._skip :], above[1]),
        )

    def _list(self, level: _Level) -> None:
        found, level.directories = self._scan(level)
        records = b"".join([record for _, record in found])
        key = (level.path, self._patterns)
        row = self._tree.cache.row(key)
        racy: frozenset[str] = frozenset()
        if row is None or row[1] != records or row[0] != _joined(found):
            found, digests, racy = self._read(level, found, row)
            row = self._row(found, digests, racy)
            self._tree.cache.keep(key, row)
            records = b"".join([record for _, record in found])
        if not racy:
            # The same bytes once, for a folder may hold very many files.
            records = row[1]
        status = os.fstat(level.fd)
        self._listings.append(
            Listing(
                level.path,
                record_of(status),
                row[0],
                records,
                row[2],
                row[3],
                racy,
                linked(found),
                self._tree.reader.directory_xattrs(level.fd),
            )
        )

    def _scan(self, level: _Level) -> tuple[list[tuple[str, bytes]], list[str]]:
        """Names and Records of all that counts, and the names of directories."""
        found, directories = [], []
        prefix = f"{level.path}/" if level.path else ""
        with os.scandir(level.fd) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    directories.append(name)
                    continue
                if not self._plain and self._is_excluded(prefix + name, level.rank):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if not stat.S_ISSOCK(status[0]):
                    record = pack_record(
                        *status[:7], status.st_mtime_ns, status.st_ctime_ns
                    )
                    found.append((name, record))
        found.sort()
        directories.sort(reverse=True)
        return found, directories

    def _is_excluded(self, path: str, above: tuple[int, int]) -> bool:
        ignored, excluded = self._rank(path, above)
        return self._ignore.is_exclusion(ignored) or self._exclude.is_exclusion(
            excluded
        )

    def _read(
        self, level: _Level, found: list[tuple[str, bytes]], row: Row | None
    ) -> tuple[list[tuple[str, bytes]], list[bytes], frozenset[str]]:
        """Digest what the row does not know; what went meanwhile is left out."""
        known = _known(row)
        kept, digests, racy = [], [], set()
        prefix = f"{level.path}/" if level.path else ""
        for name, record in found:
            digest = known.get((name, record))
            if digest is None:
                read = self._tree.reader.read(level.fd, name, record, prefix + name)
                if read is None:
                    continue
                record, digest, is_racy = read  # noqa: PLW2901 (as it was when read)
                if is_racy:
                    racy.add(name)
            kept.append((name, record))
            digests.append(digest)
        return kept, digests, frozenset(racy)

    def _row(
        self,
        found: list[tuple[str, bytes]],
        digests: list[bytes],
        racy: frozenset[str],
    ) -> Row:
        own = sha256()
        records = []
        for (name, record), digest in zip(found, digests, strict=True):
            own.update(self._tree.reader.head(name, record) + digest)
            records.append(UNKNOWN if name in racy else record)
        return _joined(found), b"".join(records), b"".join(digests), own.digest()


def _joined(found: list[tuple[str, bytes]]) -> str:
    return "\0".join([name for name, _ in found])


def _known(row: Row | None) -> dict[tuple[str, bytes], bytes]:
    if row is None or not row[0]:
        return {}
    names, records, digests, _ = row
    return {
        (name, records[i * RECORD_SIZE : (i + 1) * RECORD_SIZE]): digests[
            i * DIGEST_SIZE : (i + 1) * DIGEST_SIZE
        ]
        for i, name in enumerate(names.split("\0"))
    }
