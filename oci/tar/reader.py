"""TarReader: the members of a tar as a stream of entries, every dialect resolved.

It reads what ustar, pax, GNU tar and V7 wrote, sparse files in all four of GNU's
forms, and refuses what two readers could understand differently: the size of a
member without content, extended headers twice or for nobody, general pax headers
that rename, an archive without its end. (That difference is how one archive becomes
two: CVE-2025-62518.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.errors import ArchiveTooLarge, InvalidArchive
from lamina.oci.tar import pax
from lamina.oci.tar.header import (
    BARE,
    BLOCK,
    DIRECTORY,
    EMPTY_BLOCK,
    REGULAR,
    Entry,
    parse_header,
)
from lamina.oci.tar.member_name import show
from lamina.oci.tar.sparse import Extents, check_extents, gnu_extents, leading_map
from lamina.values import replace, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.oci.streams.stream import Source

_CHUNK = 1 << 20
_NOBODY = (1 << 32) - 1
_BY_WEIGHT = (b"L", b"K", b"x")
_EXTENSIONS = frozenset((*_BY_WEIGHT, b"g"))
_GNU_NAMES = {b"L": b"path", b"K": b"linkpath"}


@value
class Limits:
    """What an archive may ask for: bytes of files in all, members, bytes of a path,
    bytes of an extended header. Ratios are the decompressor's to watch."""

    bytes: int = 1 << 40
    entries: int = 3_000_000
    path: int = 4096
    extended: int = 1 << 20


class TarReader:
    """Iterate for entries; read each one's content by `payload` before the next.

    `record` gets every byte of the archive that is no content, in order. `attested`: a
    digest says that the archive is whole, so that it may lack its blocks of zeros and
    the last padding, as docker and Go's archive/tar have it; from what nothing is known
    of, a missing end is what a broken copy looks like.
    """

    def __init__(
        self,
        source: Source,
        limits: Limits,
        record: Callable[[bytes], None] | None = None,
        attested: bool = False,
    ) -> None:
        self.entries = 0
        self.bytes = 0
        self._source = source
        self._limits = limits
        self._record = record
        self._attested = attested
        self._general: dict[bytes, bytes] = {}
        self._stored = 0
        self._block = EMPTY_BLOCK

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            self.entries += 1
            self.bytes += entry.size
            self._check(entry)
            yield entry
            if self._stored:
                for _ in self.payload():
                    pass
        self._end()

    def payload(self) -> Iterable[memoryview]:
        """The content of the current entry as it is stored, piece by piece."""
        size, self._stored = self._stored, 0
        if size > _CHUNK:
            return self._long_payload(size)
        data = self._source.take(size)
        self._pad(size)
        return (data,)

    def _long_payload(self, size: int) -> Iterator[memoryview]:
        left = size
        while left:
            piece = self._source.some(left)
            left -= len(piece)
            yield piece
        self._pad(size)

    def _pad(self, size: int) -> None:
        """Read on to the next block, after so many bytes."""
        left = -size % BLOCK
        if not self._attested:
            self._take(left)
            return
        while left and (piece := bytes(self._source.rest(left))):
            left -= len(piece)
            if self._record is not None:
                self._record(piece)

    def _take(self, size: int) -> bytes:
        data = bytes(self._source.take(size))
        if self._record is not None:
            self._record(data)
        return data

    def _next(self) -> Entry | None:
        """The next member with what the headers before it say; None at the end."""
        before: dict[bytes, pax.Records] = {}
        held = 0
        while True:
            block = self._header_block()
            if block in (EMPTY_BLOCK, b""):
                if before:
                    raise InvalidArchive("The archive ends with a header for nobody.")
                return None
            header = parse_header(block)
            if header.kind not in _EXTENSIONS:
                if not before:
                    return self._entry(header, [])
                # What pax says counts more than what GNU's headers say.
                own = [r for kind in _BY_WEIGHT for r in before.get(kind, ())]
                return self._entry(header, own)
            held += header.size + BLOCK
            if held > self._limits.extended:
                raise InvalidArchive(
                    f"A member of the archive has headers of {held} bytes;"
                    f" over {self._limits.extended} are not read."
                )
            data = self._take(header.size + -header.size % BLOCK)[: header.size]
            self._extension(header.kind, data, before)

    def _extension(
        self, kind: bytes, data: bytes, before: dict[bytes, pax.Records]
    ) -> None:
        """Note in `before` what a header says of the member after it."""
        if kind == b"g":
            general = pax.parse_records(data)
            pax.check_general(general)
            self._general = dict([*self._general.items(), *general])
            if sum(map(len, self._general.values())) > self._limits.extended:
                raise InvalidArchive("The archive has general headers without end.")
        elif kind in before:
            raise InvalidArchive("The archive has two headers of a kind for a member.")
        elif kind == b"x":
            before[kind] = pax.parse_records(data)
        else:
            before[kind] = [(_GNU_NAMES[kind], data.partition(b"\0")[0])]

    def _header_block(self) -> bytes:
        """The next block; b"" where there is none, and need not be one."""
        block = bytes(self._source.rest(BLOCK))
        if not block and self._attested:
            return b""
        if not block:
            raise InvalidArchive(
                "The archive is cut: it lacks its end.",
                hint="Its download or its copy was not finished; get it again.",
            )
        if len(block) < BLOCK:
            block += bytes(self._source.take(BLOCK - len(block)))
        if self._record is not None:
            self._record(block)
        self._block = block
        return block

    def _entry(self, header: Entry, own: pax.Records) -> Entry:
        entry = header
        kind = header.kind
        if kind in b"\x007":
            # V7 marks a directory by the `/` at its end; 7 is "contiguous".
            kind = DIRECTORY if header.name.endswith(b"/") else REGULAR
            entry = replace(entry, kind=kind)
        records: dict[bytes, bytes] = {}
        if own or self._general:
            records = pax.merge(self._general, own)
            entry = _with_records(entry, records)
        if entry.size and kind in BARE:
            raise InvalidArchive(
                f"{show(entry.name)} in the archive is no file, but has content."
            )
        self._stored = entry.size
        if kind == b"S":
            size, numbers = gnu_extents(self._block, self._take)
            extents = check_extents(size, numbers, self._stored)
            entry = replace(entry, kind=REGULAR, size=size, extents=extents)
        elif b"GNU.sparse.major" in records or b"GNU.sparse.size" in records:
            size, extents = self._pax_extents(records, own)
            name = records.get(b"GNU.sparse.name", entry.name)
            entry = replace(
                entry, name=name, size=size, stored=self._stored, extents=extents
            )
        return entry

    def _pax_extents(
        self, records: dict[bytes, bytes], own: pax.Records
    ) -> tuple[int, Extents]:
        """The file's size and its pieces, as pax records or the content say."""
        if b"GNU.sparse.major" in records:
            version = (records[b"GNU.sparse.major"], records.get(b"GNU.sparse.minor"))
            if version != (b"1", b"0"):
                raise InvalidArchive("The archive has a sparse file of a new form.")
            size = pax.parse_count(records.get(b"GNU.sparse.realsize", b""))
            numbers = leading_map(self._take_content)
        else:
            size = pax.parse_count(records[b"GNU.sparse.size"])
            if text := records.get(b"GNU.sparse.map"):
                numbers = [pax.parse_count(part) for part in text.split(b",")]
            else:
                numbers = pax.sparse_numbers(own)
        return size, check_extents(size, numbers, self._stored)

    def _take_content(self, size: int) -> bytes:
        if self._stored < size:
            raise InvalidArchive("The map of a sparse file in the archive is damaged.")
        self._stored -= size
        return self._take(size)

    def _check(self, entry: Entry) -> None:
        limits = self._limits
        if self.entries > limits.entries:
            raise InvalidArchive(
                f"The archive has over {limits.entries} members; it may be a trap.",
                hint="Nothing of it was kept.",
            )
        if self.bytes > limits.bytes:
            raise ArchiveTooLarge(
                f"The files in the archive have over {limits.bytes} bytes.",
                hint="Nothing of it was kept.",
            )
        # 2**32 - 1 means "leave it as it is" to chown(2).
        if entry.uid >= _NOBODY or entry.gid >= _NOBODY:
            raise InvalidArchive(
                f"The archive gives {show(entry.name)} to {entry.uid}:{entry.gid},"
                " whom there cannot be."
            )
        if len(entry.name) > limits.path or len(entry.link) > limits.path:
            raise InvalidArchive(
                f"The archive has a path of {len(entry.name)} bytes, which starts"
                f" {show(entry.name)}."
            )

    def _end(self) -> None:
        """What follows the first block of zeros has to be zeros, too."""
        while piece := self._source.rest(_CHUNK):
            data = bytes(piece)
            if data.count(0) != len(data):
                raise InvalidArchive(
                    "The archive goes on after its end.",
                    hint="Two archives may have been put together.",
                )
            if self._record is not None:
                self._record(data)


def _with_records(header: Entry, records: dict[bytes, bytes]) -> Entry:
    """What pax records say over what the header says."""
    for key in (b"path", b"linkpath", b"GNU.sparse.name"):
        if b"\0" in records.get(key, b""):
            raise InvalidArchive(f"{show(header.name)} in the archive has a NUL byte.")
    size, mtime = header.size, header.mtime
    if b"size" in records:
        size = pax.parse_count(records[b"size"])
    if b"mtime" in records:
        mtime = pax.parse_time(records[b"mtime"])
    return replace(
        header,
        name=records.get(b"path", header.name),
        uid=_identity(records, b"uid", header.uid),
        gid=_identity(records, b"gid", header.gid),
        size=size,
        mtime=mtime,
        link=records.get(b"linkpath", header.link),
        xattrs=pax.xattrs_of(records),
        stored=size,
    )


def _identity(records: dict[bytes, bytes], key: bytes, number: int) -> int:
    return pax.parse_count(records[key]) if key in records else number
