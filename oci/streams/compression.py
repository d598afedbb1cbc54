"""Compression: the one door to isal and zstandard.

Written: gzip by ISA-L at level 2 (never 3, whose bytes depend on the CPU; from there
on by zlib, a tenth as fast and steady for years), zstd at level 3 (always threaded:
one thread writes other bytes than none). Same data, same bytes, for one version of
the library; that is recorded beside the blob (`version`).
Read: gzip, zstd, bzip2, xz and plain, told apart by their first bytes, with bounded
memory, bounded ratio, and nothing but further members after the first.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from lamina.oci.streams.decompress import (
    Bounds,
    Counted,
    Frame,
    Member,
    Members,
    ZstdFrames,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[int], bytes]
    Write = Callable[[bytes], object]

_CHUNK = 1 << 20
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
# What a thread takes at once. zstd's own choice, four windows, is 8 MiB of input and as
# much of output for each thread and a half; this is a third of the memory for a blob
# that is 0.4 % larger.
_ZSTD_JOB = 2 << 20
# How many threads: their number changes no byte. From level 16 on each takes 100 MiB
# for its tables, of which a window of 2 MiB would save a fifth.
_MOST_THREADS, _MOST_LARGE_THREADS, _LARGE_LEVEL = 4, 2, 16
# The levels that may be asked for. ISA-L's stop at 2, zlib's begin at 3; from 20 on
# zstd takes a gigabyte to write, and readers refuse the window.
LEVELS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"none": (0, 0), "gzip": (0, 9), "zstd": (1, 19)}
)
_ISAL_MOST = 2
# RFC 1952: deflate, no flags, time 0, no extra flags, operating system 255 (unknown).
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# After "BZh" and the level: the first block, or the end of an empty file.
_BZIP2_STARTS = (b"1AY&SY", b"\x17rE8P\x90")
_XZ_MAGIC = b"\xfd7zXZ\x00"
_XZ_MEMORY = 256 << 20


class Compressor(Protocol):
    """Takes plain bytes; what is compressed goes on to where it was made for."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Write the end. Without it the output is cut."""
        ...


def version(name: str, level: int | None = None) -> str:
    """The library, its version and its setting: same data and same `version`, same
    bytes. What the digest of a blob depends on besides its content."""
    if name == "gzip":
        level = _GZIP_LEVEL if level is None else level
        if level > _ISAL_MOST:
            import zlib

            return f"zlib/{zlib.ZLIB_RUNTIME_VERSION}/l{level}"
        import isal

        return f"isal/{isal.ISAL_VERSION}/l{level}"
    if name == "zstd":
        import zstandard

        library = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
        return f"zstd/{library}/l{_ZSTD_LEVEL if level is None else level}/mt2"
    assert name == "none", name
    return "none"


def compressor(name: str, write: Write, level: int | None = None) -> Compressor:
    """A compressor ("gzip", "zstd", "none") whose output goes to `write`; `level` is
    one of `LEVELS`."""
    if name == "gzip":
        return _Evenly(_Gzip(write, _GZIP_LEVEL if level is None else level))
    if name == "zstd":
        return _Evenly(_Zstd(write, _ZSTD_LEVEL if level is None else level))
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


class _Deflate(Protocol):
    """A raw deflate stream in the making, ISA-L's or zlib's."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Gzip:
    def __init__(self, write: Write, level: int) -> None:
        from isal import isal_zlib

        self._write = write
        self._crc32 = isal_zlib.crc32
        self._deflate: _Deflate
        if level > _ISAL_MOST:
            import zlib

            self._deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
        else:
            self._deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
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
    def __init__(self, write: Write, level: int) -> None:
        import os

        import zstandard

        most = _MOST_LARGE_THREADS if level >= _LARGE_LEVEL else _MOST_THREADS
        threads = min(most, len(os.sched_getaffinity(0)))
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, threads=threads, write_checksum=True, job_size=_ZSTD_JOB
        )
        squeeze = zstandard.ZstdCompressor(compression_params=parameters)
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
    source = Counted(read)
    start = source.peek(10)
    if start.startswith(b"\x1f\x8b"):
        return Members(source, _gzip_member, start[:2], bounds).read
    if start.startswith(b"BZh") and start[4:] in _BZIP2_STARTS:
        return Members(source, _bzip2_member, start[:3], bounds).read
    if start.startswith(_XZ_MAGIC):
        return Members(source, _xz_member, _XZ_MAGIC, bounds).read
    if start[1:4] in (b"\xb5\x2f\xfd", b"\x2a\x4d\x18"):
        return ZstdFrames(source, _zstd_frames(bounds.window), bounds).read
    return source.read


def _gzip_member() -> Member:
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _bzip2_member() -> Member:
    import bz2

    return bz2.BZ2Decompressor()


def _xz_member() -> Member:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _zstd_frames(window: int) -> Callable[[], Frame]:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=window).decompressobj
