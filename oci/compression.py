"""Compression: the one door to isal and zstandard.

Written: gzip by ISA-L at level 2 (never 3, whose bytes depend on the CPU), zstd at
level 3 (always threaded: one thread writes other bytes than none). Same data, same
bytes, for one version of the library; that is recorded beside the blob (`version`).
Read: gzip, zstd, bzip2, xz and plain, told apart by their first bytes, with bounded
memory, bounded ratio, and nothing but further members after the first.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from lamina.oci.errors import InvalidArchive
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[int], bytes]
    Write = Callable[[bytes], object]

_CHUNK = 1 << 20
_READ = 1 << 18
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
# RFC 1952: deflate, no flags, time 0, no extra flags, operating system 255 (unknown).
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_XZ_MEMORY = 256 << 20


@value
class Bounds:
    """How much may come out of compressed data: `bytes` in all, and beyond `free`
    bytes no more than `ratio` times what went in. (A gzip of zeros has 1030, zstd's
    reach 20,000; layers of programs have 2 to 20.) `window` is what zstd may keep."""

    bytes: int = 1 << 40
    ratio: int = 250
    free: int = 1 << 30
    window: int = 128 << 20


class Compressor(Protocol):
    """Takes plain bytes; what is compressed goes on to where it was made for."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Write the end. Without it the output is cut."""
        ...


def version(name: str) -> str:
    """The library, its version and its setting: same data and same `version`, same
    bytes. What the digest of a blob depends on besides its content."""
    if name == "gzip":
        import isal

        return f"isal/{isal.ISAL_VERSION}/l{_GZIP_LEVEL}"
    if name == "zstd":
        import zstandard

        library = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
        return f"zstd/{library}/l{_ZSTD_LEVEL}/mt"
    assert name == "none", name
    return "none"


def compressor(name: str, write: Write) -> Compressor:
    """A compressor ("gzip", "zstd", "none") whose output goes to `write`."""
    if name == "gzip":
        return _Evenly(_Gzip(write))
    if name == "zstd":
        return _Evenly(_Zstd(write))
    assert name == "none", name
    return _Plain(write)


class _Plain:
    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, data: bytes) -> None:
        self._write(data)

    def close(self) -> None:
        """Nothing is held back."""


class _Evenly:
    """Hands on pieces of one size: ISA-L's output depends on how it is fed."""

    def __init__(self, inner: Compressor) -> None:
        self._inner = inner
        self._parts: list[bytes] = []
        self._held = 0

    def write(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if self._held < _CHUNK:
            return
        whole = b"".join(self._parts)
        end = len(whole) - len(whole) % _CHUNK
        for at in range(0, end, _CHUNK):
            self._inner.write(whole[at : at + _CHUNK])
        self._parts = [whole[end:]]
        self._held -= end

    def close(self) -> None:
        self._inner.write(b"".join(self._parts))
        self._parts.clear()
        self._inner.close()


class _Gzip:
    def __init__(self, write: Write) -> None:
        from isal import isal_zlib

        self._write = write
        self._crc32 = isal_zlib.crc32
        self._deflate = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, -15)
        self._crc = 0
        self._size = 0
        write(_GZIP_HEADER)

    def write(self, data: bytes) -> None:
        self._crc = self._crc32(data, self._crc)
        self._size += len(data)
        self._write(self._deflate.compress(data))

    def close(self) -> None:
        self._write(self._deflate.flush())
        self._write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))


class _Zstd:
    def __init__(self, write: Write) -> None:
        import os

        import zstandard

        threads = min(4, len(os.sched_getaffinity(0)))
        squeeze = zstandard.ZstdCompressor(
            level=_ZSTD_LEVEL, threads=threads, write_checksum=True
        )
        self._write = write
        self._inner = squeeze.compressobj()

    def write(self, data: bytes) -> None:
        self._write(self._inner.compress(data))

    def close(self) -> None:
        self._write(self._inner.flush())


def open_stream(read: Read, bounds: Bounds = Bounds()) -> Read:  # noqa: B008
    """A function that reads the plain bytes of what `read` gives, compressed or not.

    Raises InvalidArchive, while it is read from, for what is damaged, cut, goes on
    after its end, or grows beyond `bounds`.
    """
    source = _Counted(read)
    start = source.peek(6)
    if start.startswith(b"\x1f\x8b"):
        return _Members(source, _gzip_member, start[:2], bounds).read
    if start.startswith(b"BZh"):
        return _Members(source, _bzip2_member, start[:3], bounds).read
    if start == b"\xfd7zXZ\x00":
        return _Members(source, _xz_member, start, bounds).read
    if start[1:4] == b"\xb5\x2f\xfd" or start[1:4] == b"\x2a\x4d\x18":
        return _ZstdFrames(source, bounds).read
    return source.read


class _Counted:
    """Reads on, after what was looked at; counts what went through."""

    def __init__(self, read: Read) -> None:
        self.count = 0
        self._read = read
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or all there are, which stay to be read."""
        while len(self._ahead) < size:
            data = self._read(_READ)
            if not data:
                break
            self._ahead += data
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._read(size)
        self.count += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        data = self.peek(size)
        if len(data) < size:
            raise _cut()
        return self.read(size)


class _Meter:
    """What came out, held against what went in."""

    def __init__(self, source: _Counted, bounds: Bounds) -> None:
        self._source = source
        self._bounds = bounds
        self._out = 0

    def check(self, data: bytes) -> bytes:
        self._out += len(data)
        bounds = self._bounds
        if self._out > bounds.bytes or (
            self._out > bounds.free and self._out > self._source.count * bounds.ratio
        ):
            raise InvalidArchive(
                f"{self._source.count} compressed bytes became {self._out}, and there"
                " is more: this may be a trap that fills the disk.",
                hint="Nothing of it was kept. If it is what you want, unpack it first.",
            )
        return data


class _Member(Protocol):
    """What bz2, lzma and isal agree on."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _gzip_member() -> _Member:
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _bzip2_member() -> _Member:
    import bz2

    return bz2.BZ2Decompressor()


def _xz_member() -> _Member:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


class _Members:
    """One compressed member after the other, as gzip, bzip2 and xz allow."""

    def __init__(
        self,
        source: _Counted,
        start: Callable[[], _Member],
        magic: bytes,
        bounds: Bounds,
    ) -> None:
        self._source = source
        self._start = start
        self._magic = magic
        self._meter = _Meter(source, bounds)
        self._member = start()
        self._pending = b""

    def read(self, size: int) -> bytes:
        while True:
            if self._member.eof and not self._next():
                return b""
            data = self._pending
            if not data and self._member.needs_input:
                data = self._source.read(_READ)
                if not data:
                    raise _cut()
            self._pending = b""
            plain = self._decompress(data, size)
            if plain:
                return self._meter.check(plain)

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._member.decompress(data, size)
        except Exception as error:  # each library has its own
            raise _damaged(error) from error

    def _next(self) -> bool:
        """Go on to the next member; false at the end of all."""
        rest = self._member.unused_data
        while len(rest) < len(self._magic):
            more = self._source.read(_READ)
            if not more:
                break
            rest += more
        if not rest:
            return False
        if not rest.startswith(self._magic):
            raise InvalidArchive("The compressed data goes on after its end.")
        self._pending = rest
        self._member = self._start()
        return True


class _ZstdFrames:
    """zstd frames (RFC 8878, section 3.1), handed to the library block by block.

    A block is at most 128 KiB when it is plain, so memory stays bounded; and a frame
    that is cut is noticed, which the library's own reader does not.
    """

    def __init__(self, source: _Counted, bounds: Bounds) -> None:
        import zstandard

        self._source = source
        self._bounds = bounds
        self._meter = _Meter(source, bounds)
        self._context = zstandard.ZstdDecompressor(max_window_size=bounds.window)
        self._plain = memoryview(b"")
        self._frame = self._context.decompressobj()
        self._checksum = 0
        self._in_frame = False

    def read(self, size: int) -> bytes:
        while not self._plain:
            if not self._in_frame and not self._open():
                return b""
            if self._in_frame:
                self._plain = memoryview(self._meter.check(self._blocks()))
        data = bytes(self._plain[:size])
        self._plain = self._plain[size:]
        return data

    def _open(self) -> bool:
        """Begin the next frame, or pass a skippable one; false at the end of all."""
        magic = self._source.peek(4)
        if not magic:
            return False
        if len(magic) == 4 and magic[0] & 0xF0 == 0x50 and magic[1:] == b"\x2a\x4d\x18":
            (left,) = struct.unpack("<4xI", self._source.exactly(8))
            while left:
                left -= len(self._source.exactly(min(left, _READ)))
            return True
        if magic != b"\x28\xb5\x2f\xfd":
            raise InvalidArchive("The compressed data goes on after its end.")
        self._frame = self._context.decompressobj()
        self._feed(self._frame_header())
        self._in_frame = True
        return True

    def _frame_header(self) -> bytes:
        descriptor = self._source.exactly(5)[4]
        single = descriptor >> 5 & 1
        content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        dictionary = (0, 1, 2, 4)[descriptor & 3]
        rest = self._source.exactly((not single) + dictionary + content)
        if single:
            size = int.from_bytes(rest[dictionary:], "little")
            window = size + 256 if content == 2 else size
        else:
            base = 1 << 10 + (rest[0] >> 3)
            window = base + (base >> 3) * (rest[0] & 7)
        if window > self._bounds.window:
            raise InvalidArchive(
                f"The zstd data wants {window} bytes of memory; it may have"
                f" {self._bounds.window}.",
                hint="Compress it without --long or --ultra.",
            )
        self._checksum = 4 if descriptor & 4 else 0
        return b"\x28\xb5\x2f\xfd" + bytes((descriptor,)) + rest

    def _blocks(self) -> bytes:
        """The plain bytes of the next few blocks, up to a megabyte."""
        blocks: list[bytes] = []
        for _ in range(8):
            head = self._source.exactly(3)
            number = int.from_bytes(head, "little")
            size = 1 if number >> 1 & 3 == 1 else number >> 3
            if size > 1 << 17:
                raise InvalidArchive(
                    "The compressed data is damaged: a block too large."
                )
            blocks += head, self._source.exactly(size)
            if number & 1:
                blocks.append(self._source.exactly(self._checksum))
                self._in_frame = False
                break
        return self._feed(b"".join(blocks))

    def _feed(self, data: bytes) -> bytes:
        try:
            return self._frame.decompress(data)
        except Exception as error:  # zstandard.ZstdError, which is not imported here
            raise _damaged(error) from error


def _cut() -> InvalidArchive:
    return InvalidArchive(
        "The compressed data is cut: it ends before its end.",
        hint="Its download or its copy was not finished; get it again.",
    )


def _damaged(error: Exception) -> InvalidArchive:
    return InvalidArchive(f"The compressed data is damaged: {error}.")
