"""Extents: where each member of a tar lies in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.oci.errors import InvalidArchive
from lamina.oci.tar.header import (
    BARE,
    BLOCK,
    EMPTY_BLOCK,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    parse_header,
)
from lamina.oci.tar.pax import parse_count, parse_records
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.tar.header import Entry

# An image has a few members for each of its layers.
_MAX_MEMBERS = 20_000
_MAX_EXTENSION = 1 << 20
_EXTENDED = {b"x": b"", b"L": b"path", b"K": b"linkpath"}


@value
class Extent:
    """Where a member's bytes are in its tar; `link` for what is another's name."""

    offset: int
    size: int
    link: str = ""


def scan(descriptor: int) -> dict[str, Extent]:
    """Where each member of the tar lies; its contents are not read.

    Raises InvalidArchive for a tar that is cut or damaged.
    """
    end = os.fstat(descriptor).st_size
    found: dict[str, Extent] = {}
    extended: dict[bytes, bytes] = {}
    position = 0
    while block := os.pread(descriptor, BLOCK, position):
        if block == EMPTY_BLOCK:
            break
        if len(block) < BLOCK:
            raise _cut()
        header = parse_header(block)
        position += BLOCK
        size = header.size
        if header.kind in _EXTENDED:
            extended.update(_extension(descriptor, position, header))
        elif header.kind != b"g":
            size = parse_count(extended.get(b"size", b"%d" % size))
            size = 0 if header.kind in BARE else size
            _note(found, header, extended, Extent(position, size))
            extended = {}
        if position + size > end:
            raise _cut()
        position += size + -size % BLOCK
    return found


def _extension(descriptor: int, offset: int, header: Entry) -> dict[bytes, bytes]:
    """What a pax or a GNU header says of the member after it."""
    if header.size > _MAX_EXTENSION:
        raise InvalidArchive(f"The archive has a header of {header.size} bytes.")
    data = os.pread(descriptor, header.size, offset)
    if header.kind == b"x":
        return dict(parse_records(data))
    return {_EXTENDED[header.kind]: data.partition(b"\0")[0]}


def _note(
    found: dict[str, Extent],
    header: Entry,
    extended: dict[bytes, bytes],
    extent: Extent,
) -> None:
    """Add a file or a link to what was found; other kinds are of no interest."""
    name = _plain(extended.get(b"path", header.name))
    link = _text(extended.get(b"linkpath", header.link))
    if header.kind == HARD_LINK:
        extent = Extent(0, 0, link.removeprefix("./"))
    elif header.kind == SYMLINK:
        joined = os.path.normpath(f"{os.path.dirname(name)}/{link}")
        extent = Extent(0, 0, joined.lstrip("/"))
    elif header.kind not in (REGULAR, b"\0") or name.endswith("/"):
        return
    if name in found:
        raise InvalidArchive(f"The archive has {name[:120]!r} twice.")
    if len(found) >= _MAX_MEMBERS:
        raise InvalidArchive(f"The archive has over {_MAX_MEMBERS} members.")
    found[name] = extent


def _plain(name: bytes) -> str:
    return _text(name).removeprefix("./")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _cut() -> InvalidArchive:
    return InvalidArchive(
        "The archive is cut: it ends in the middle of a file.",
        hint="Its download or its copy was not finished; get it again.",
    )
