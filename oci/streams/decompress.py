"""Compressed streams, read with bounded memory, a bounded ratio, and to their end.

The libraries come from `compression`, their one door; here is what they leave to the
caller: members one after the other, what is cut, what goes on after the end, bombs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from lamina.oci.errors import ArchiveTooLarge, InvalidArchive
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[int], bytes]

_READ = 1 << 18
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A block of zstd holds at most 128 KiB, plain or compressed.
_MAX_BLOCK = 1 << 17
_BLOCKS = 8


@value
class Bounds:
    """How much may come out of compressed data: `bytes` in all, and beyond `free`
    bytes no more than `ratio` times what went in. (A gzip of zeros has 1030, zstd's
    reach 20,000; layers of programs have 2 to 20.) `window` is what zstd may keep."""

    bytes: int = 1 << 40
    ratio: int = 250
    free: int = 1 << 30
    window: int = 128 << 20


class Counted:
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


class Meter:
    """What came out, held against what went in."""

    def __init__(self, source: Counted, bounds: Bounds) -> None:
        self._source = source
        self._bounds = bounds
        self._out = 0

    def check(self, data: bytes) -> bytes:
        self._out += len(data)
        bounds = self._bounds
        if self._out > bounds.bytes or (
            self._out > bounds.free and self._out > self._source.count * bounds.ratio
        ):
            raise ArchiveTooLarge(
                f"{self._source.count} compressed bytes became {self._out}, and there"
                " is more: this may be a trap that fills the disk.",
                hint="Nothing of it was kept. If it is what you want, unpack it first.",
            )
        return data


class Member(Protocol):
    """What bz2, lzma and isal agree on."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Members:
    """One compressed member after the other, as gzip, bzip2 and xz allow."""

    def __init__(
        self,
        source: Counted,
        start: Callable[[], Member],
        magic: bytes,
        bounds: Bounds,
    ) -> None:
        self._source = source
        self._start = start
        self._magic = magic
        self._meter = Meter(source, bounds)
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


class Frame(Protocol):
    """zstandard's decompressor of one frame."""

    def decompress(self, data: bytes) -> bytes: ...


class ZstdFrames:
    """zstd frames (RFC 8878, section 3.1), handed to the library block by block.

    A block is at most 128 KiB when it is plain, so memory stays bounded; and a frame
    that is cut is noticed, which the library's own reader does not.
    """

    def __init__(
        self, source: Counted, start: Callable[[], Frame], bounds: Bounds
    ) -> None:
        self._source = source
        self._start = start
        self._bounds = bounds
        self._meter = Meter(source, bounds)
        self._plain = memoryview(b"")
        self._frame = start()
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
        if magic != _ZSTD_MAGIC:
            raise InvalidArchive("The compressed data goes on after its end.")
        self._frame = self._start()
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
        return _ZSTD_MAGIC + bytes((descriptor,)) + rest

    def _blocks(self) -> bytes:
        """The plain bytes of the next few blocks, up to a megabyte."""
        blocks: list[bytes] = []
        for _ in range(_BLOCKS):
            head = self._source.exactly(3)
            number = int.from_bytes(head, "little")
            size = 1 if number >> 1 & 3 == 1 else number >> 3
            if size > _MAX_BLOCK:
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
