"""Listing: the files of one directory, with what a key holds of each."""

from __future__ import annotations

from lamina.builder.sources.record import (
    DEVICE,
    DIGEST_SIZE,
    INODE,
    RECORD_SIZE,
    unpack_record,
)
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@value
class Entry:
    """A file, link or device: its canonical path in the tree, Record and digest.

    `racy` says that its content may have changed under the same stamps.
    """

    path: str
    record: bytes
    digest: bytes
    racy: bool


@value
class Listing:
    """A directory: its Record, and all in it that counts but directories.

    `joined` are the names with NUL between them, `records` and `digests` joined in the
    same order; `own` is the digest of all of that. `links` are the names with several
    links, and their inodes.
    """

    path: str
    record: bytes
    joined: str
    records: bytes
    digests: bytes
    own: bytes
    racy: frozenset[str]
    links: tuple[tuple[str, tuple[int, int]], ...]
    # Of the directory itself: extended attributes that a copy carries along.
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def names(self) -> list[str]:
        return self.joined.split("\0") if self.joined else []

    def entries(self) -> Iterator[Entry]:
        for index, name in enumerate(self.names):
            record = self.records[index * RECORD_SIZE : (index + 1) * RECORD_SIZE]
            digest = self.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE]
            path = f"{self.path}/{name}" if self.path else name
            yield Entry(path, record, digest, name in self.racy)


def linked(
    found: list[tuple[str, bytes]],
) -> tuple[tuple[str, tuple[int, int]], ...]:
    """Names whose inodes have more than one: bytes 24 to 32 of a Record count them."""
    linked = []
    for name, record in found:
        if record[24:32] != _ONE_LINK:
            fields = unpack_record(record)
            linked.append((name, (fields[DEVICE], fields[INODE])))
    return tuple(linked)


_ONE_LINK = (1).to_bytes(8, "little")
