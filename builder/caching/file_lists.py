"""Lists of files: what is behind a digest in a cache key, so that a change has names.

A list is kept under the digest of all of its files, and goes along with a cache that
machines share. Each line is a short digest of a file's content and mode, and its path.
"""

from __future__ import annotations

import os
import zlib

from lamina.builder.sources.record import MODE, unpack_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.builder.sources.items import Selection
    from lamina.builder.sources.listing import Entry

# Kind of the memos.
FILES = "files-of"
# Trees with more files than this are not listed; the list of one has some megabytes.
_MOST_FILES = 200_000
_LARGEST = 64 << 20
# What a file's digest is shortened to: names that differ are told, not proven.
_SHORT = 6
_WIDTH = 2 * _SHORT + 4


def pack(selection: Selection) -> bytes | None:
    """The list of the files of a selection; None for too many."""
    packed = zlib.compressobj(1)
    pieces: list[bytes] = []
    for count, entry in enumerate(_entries(selection)):
        if count == _MOST_FILES:
            return None
        pieces.append(packed.compress(os.fsencode(_line(entry) + "\0")))
    return b"".join([*pieces, packed.flush()])


def unpack(data: bytes) -> dict[str, str]:
    """The files of a list; another machine may have packed anything."""
    try:
        plain = zlib.decompressobj().decompress(data, _LARGEST)
    except zlib.error:
        return {}
    lines = os.fsdecode(plain).split("\0")
    return {line[_WIDTH:]: line[:_WIDTH] for line in lines if line}


def listed(selection: Selection) -> dict[str, str]:
    """The files of a selection, as `unpack` gives them."""
    lines = map(_line, _entries(selection))
    return {line[_WIDTH:]: line[:_WIDTH] for line in lines}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """What differs between two lists, a file each."""
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            yield f"{path} is new"
        elif path not in new:
            yield f"{path} is gone"
        elif old[path] != new[path]:
            yield f"{path} changed"


def _entries(selection: Selection) -> Iterator[Entry]:
    from lamina.builder.sources.items import FileItem

    for item in selection.items:
        if isinstance(item, FileItem):
            yield item.entry
            continue
        for listing in item.listings:
            yield from listing.entries()


def _line(entry: Entry) -> str:
    mode = unpack_record(entry.record)[MODE] & 0o7777
    return f"{entry.digest[:_SHORT].hex()}{mode:04o}{entry.path}"
