"""Bytes on their way: exact reads from a stream, and digests made in a thread.

sha256 of a large piece lets go of Python's lock, so a thread digests one piece
while the caller works on the next. What is small never sees a thread: starting one
costs more than the digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.errors import InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from hashlib import _Hash
    from queue import SimpleQueue

    Read = Callable[[int], bytes]

CHUNK = 1 << 20
# Below this a stream is digested by its reader.
_SMALL = 2 * CHUNK
# Chunks that may wait between two threads: what bounds the memory.
_DEPTH = 6


def digested(read: Read, digest: _Hash) -> Generator[bytes]:
    """The chunks that `read` gives, up to its end, each put into `digest`.

    From the third megabyte on they are read and digested ahead, in a thread. The
    generator has to be closed; then no thread reads any more.
    """
    seen = 0
    while seen < _SMALL:
        data = read(CHUNK)
        if not data:
            return
        digest.update(data)
        seen += len(data)
        yield data
    ahead = _Ahead(read, digest)
    try:
        yield from ahead
    finally:
        ahead.close()


class _Ahead:
    """A thread that reads and digests while its owner uses what came before."""

    def __init__(self, read: Read, digest: _Hash) -> None:
        import threading
        from queue import SimpleQueue

        self._read = read
        self._digest = digest
        self._closed = False
        self._chunks: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(_DEPTH):
            self._free.put(None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            chunk = self._chunks.get()
            if isinstance(chunk, BaseException):
                raise chunk
            if not chunk:
                return
            self._free.put(None)
            yield chunk

    def close(self) -> None:
        self._closed = True
        self._free.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                self._free.get()
                if self._closed:
                    return
                data = self._read(CHUNK)
                self._digest.update(data)
                self._chunks.put(data)
                if not data:
                    return
        except BaseException as error:  # raised again by the owner
            self._chunks.put(error)


class ThreadedDigests:
    """Digests that a thread of their own brings up to date.

    One thread for all: reading files takes longer than two digests of them.
    """

    def __init__(self, *digests: _Hash) -> None:
        import threading
        from queue import SimpleQueue

        self._digests = digests
        self._chunks: SimpleQueue[tuple[bytes, ...]] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(_DEPTH):
            self._free.put(None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def update(self, *data: bytes) -> None:
        """The next piece of each digest."""
        self._free.get()
        self._chunks.put(data)

    def close(self) -> None:
        """Wait until everything is in the digests."""
        self._chunks.put(())
        self._thread.join()

    def _run(self) -> None:
        while chunks := self._chunks.get():
            for digest, data in zip(self._digests, chunks, strict=True):
                digest.update(data)
            self._free.put(None)


class Source:
    """Reads of exactly so many bytes from chunks of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._view = memoryview(b"")
        self._at = 0

    def take(self, size: int) -> memoryview:
        """The next `size` bytes; raises InvalidArchive when there are fewer."""
        end = self._at + size
        if end <= len(self._view):
            piece = self._view[self._at : end]
            self._at = end
            return piece
        parts = bytearray()
        while len(parts) < size:
            parts += self.some(size - len(parts))
        return memoryview(parts)

    def some(self, size: int) -> memoryview:
        """Between one and `size` bytes, as they lie; raises at the end."""
        piece = self.rest(size)
        if not piece:
            raise InvalidArchive(
                "The archive is cut: it ends in the middle of a member.",
                hint="Its download or its copy was not finished; get it again.",
            )
        return piece

    def rest(self, size: int) -> memoryview:
        """At most `size` bytes, none at the end of the stream."""
        while self._at == len(self._view):
            chunk = next(self._chunks, b"")
            if not chunk:
                return memoryview(b"")
            self._view = memoryview(chunk)
            self._at = 0
        piece = self._view[self._at : self._at + size]
        self._at += len(piece)
        return piece
