"""pack: a changeset directory as a canonical tar, and its two digests in one pass.

Same files, same bytes: a fixed order, owners as numbers, whole seconds, ustar
headers with pax records only where ustar cannot say it, sorted. Overlay's marks
become the image specification's whiteouts, which have no time and no owner.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.errors import StoreError
from lamina.oci.layers.changeset import (
    Member,
    attributes,
    is_exported,
    is_opaque,
    walk,
)
from lamina.oci.tar.header import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
    format_header,
)
from lamina.oci.tar.member_name import OPAQUE_MARKER, WHITEOUT
from lamina.values import EMPTY, replace, value

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from lamina.oci.streams.stream import ThreadedDigests

    Write = Callable[[bytes], object]

    class TimeRule(Protocol):
        """What time (ns) the file at a path with a given time (ns) has in the tar."""

        def of(self, mtime: int, path: bytes, /) -> int: ...


_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CHUNK = 1 << 20
# What is smaller is put together first. Two threads hand Python's lock to each other
# for each piece, which takes longer than to digest a small one.
_PIECE = 1 << 20
# From here on a thread digests: below, starting it costs more than it saves.
_MANY = 4 << 20
_KINDS = {
    stat.S_IFREG: REGULAR,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFIFO: FIFO,
}


@value
class Times:
    """Which times a tar carries. Without `epoch` (seconds) they are kept; with one,
    a file as young as `since` (ns) gets the epoch, an older one is clamped to it."""

    epoch: int | None
    since: int

    def of(self, mtime: int, _path: bytes = b"") -> int:
        """The time in a header, of a file's; both in nanoseconds."""
        if self.epoch is None:
            return mtime
        limit = self.epoch * 10**9
        return limit if mtime >= self.since else min(mtime, limit)


@value
class Packed:
    """`diff_id` is the tar's digest, `content` that of the same tar with every time
    zero; `size` counts its bytes, `bytes` those of the files in it."""

    diff_id: Digest
    content: Digest
    size: int
    entries: int
    bytes: int


def pack(root: str, times: TimeRule, write: Write | None, xattrs: str) -> Packed:
    """Write the changeset in `root` as a tar; `write` may be None for digests alone.

    `xattrs` is the namespace of overlay's own attributes there, trusted or user.
    Raises InvalidArchive for a name that no layer can hold.
    """
    sink = _Sink(write)
    packer = _Packer(sink, times, xattrs)
    try:
        for member in walk(root):
            packer.add(member)
        sink.data(bytes(2 * BLOCK))
        sink.flush()
    finally:
        sink.close()
    return Packed(
        Digest.of_all(sink.real),
        Digest.of_all(sink.timeless),
        sink.size,
        packer.entries,
        packer.bytes,
    )


class _Sink:
    """Where a tar goes: to `write` and into two digests, in pieces worth a call."""

    def __init__(self, write: Write | None) -> None:
        self.real = hashlib.sha256()
        self.timeless = hashlib.sha256()
        self.size = 0
        self._write = write
        self._gathered = 0
        self._reals: list[bytes] = []
        self._timeless: list[bytes] = []
        self._thread: ThreadedDigests | None = None

    def header(self, real: bytes, timeless: bytes) -> None:
        self._reals.append(real)
        self._timeless.append(timeless)
        self._gathered += len(real)
        if self._gathered >= _PIECE:
            self.flush()

    def data(self, data: bytes) -> None:
        if len(data) < _PIECE:
            self.header(data, data)
        else:
            self.flush()
            self._out(data, data)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()

    def flush(self) -> None:
        if self._reals:
            self._out(b"".join(self._reals), b"".join(self._timeless))
            self._reals.clear()
            self._timeless.clear()
            self._gathered = 0

    def _out(self, real: bytes, timeless: bytes) -> None:
        if self._thread is not None:
            self._thread.update(real, timeless)
        else:
            self.real.update(real)
            self.timeless.update(timeless)
            if self.size > _MANY:
                self._start()
        self.size += len(real)
        if self._write is not None:
            self._write(real)

    def _start(self) -> None:
        from lamina.oci.streams.stream import ThreadedDigests

        self._thread = ThreadedDigests(self.real, self.timeless)


class _Packer:
    """Members to headers and content."""

    def __init__(self, sink: _Sink, times: TimeRule, xattrs: str) -> None:
        self.entries = 0
        self.bytes = 0
        self._sink = sink
        self._times = times
        self._xattrs = xattrs
        self._links: dict[tuple[int, int], bytes] = {}

    def add(self, member: Member) -> None:
        if member.whiteout:
            head = member.path[: len(member.path) - len(member.name)]
            self._marker(head + WHITEOUT + member.name)
        elif member.own >= 0:
            self._directory(member)
        elif stat.S_ISREG(member.status.st_mode):
            self._file(member)
        else:
            self._other(member)

    def _directory(self, member: Member) -> None:
        found = attributes(member.own)
        name = member.path + b"/"
        self._header(_entry(member, name, found))
        if is_opaque(found, self._xattrs):
            self._marker(name + OPAQUE_MARKER)

    def _file(self, member: Member) -> None:
        status = member.status
        identity = (status.st_dev, status.st_ino)
        first = self._links.get(identity) if status.st_nlink > 1 else None
        if first is not None:
            entry = _entry(member, member.path, {})
            self._header(replace(entry, kind=HARD_LINK, size=0, link=first))
            return
        try:
            descriptor = os.open(member.name, _FILE, dir_fd=member.directory)
        except FileNotFoundError:
            return  # a container that runs on has just removed it
        try:
            if status.st_nlink > 1:
                self._links[identity] = member.path
            self._header(_entry(member, member.path, attributes(descriptor)))
            self._content(descriptor, member)
        finally:
            os.close(descriptor)

    def _other(self, member: Member) -> None:
        entry = _entry(member, member.path, {})
        if entry.kind == SYMLINK:
            target = os.readlink(member.name, dir_fd=member.directory)
            entry = replace(entry, link=target)
        self._header(entry)

    def _content(self, descriptor: int, member: Member) -> None:
        left = size = member.status.st_size
        self.bytes += size
        while left:
            data = os.read(descriptor, min(left, _CHUNK))
            if not data:
                raise StoreError(
                    f"{os.fsdecode(member.path)!r} became shorter while it was packed."
                )
            self._sink.data(data)
            left -= len(data)
        if size % BLOCK:
            self._sink.data(bytes(BLOCK - size % BLOCK))

    def _header(self, entry: Entry) -> None:
        self.entries += 1
        mtime = self._times.of(entry.mtime, entry.name)
        self._sink.header(*format_header(entry, mtime))

    def _marker(self, path: bytes) -> None:
        """A whiteout: an empty file whose name is all that counts."""
        self.entries += 1
        entry = Entry(path, REGULAR, 0o600)
        self._sink.header(*format_header(entry, 0))


def _entry(member: Member, name: bytes, found: dict[str, bytes]) -> Entry:
    """The entry of a file as it lies there; `found` are all of its attributes."""
    status = member.status
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    device = (0, 0)
    if kind in (CHARACTER, BLOCK_DEVICE):
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    size = status.st_size if kind == REGULAR else 0
    return Entry(
        name,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        size,
        status.st_mtime_ns,
        b"",
        device,
        {name: data for name, data in found.items() if is_exported(name)}
        if found
        else EMPTY,
        size,
        None,
    )
