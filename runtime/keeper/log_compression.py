"""A log's file that was rotated away, compressed: `log.1` becomes `log.1.gz`.

A program of its own, so that the keeper neither waits nor grows; nothing but the
standard library. The inode of the file that was is noted in gzip's extra field (RFC
1952, 2.3.1.1): who has that one open and reads on knows where it went.
"""

from __future__ import annotations

import os
import sys

_BLOCK = 256 * 1024
# Magic, deflate, an extra field; no time, and from unix. Then the length of that field,
# its one part's name and length.
HEADER = b"\x1f\x8b\x08\x04\0\0\0\0\0\x03" + b"\x0c\0" + b"IN\x08\0"
INODE_BYTES = 8
# A log shrinks to a tenth at once; more would cost thrice the time.
_FASTEST = 1


def compress(path: str) -> None:
    """Put `path.gz` in the file's place; at any moment one of the two is there."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    fresh = f"{path}.gz.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    target = os.open(fresh, flags, 0o600)
    try:
        _copy(source, target)
        os.rename(fresh, f"{path}.gz")
        os.unlink(path)
    except OSError:
        os.unlink(fresh)  # a full disk: it stays as it is
    finally:
        os.close(source)
        os.close(target)


def _copy(source: int, target: int) -> None:
    import zlib  # which a reader has no use for

    inode = os.fstat(source).st_ino
    _write(target, HEADER + inode.to_bytes(INODE_BYTES, "little"))
    stream = zlib.compressobj(_FASTEST, wbits=-zlib.MAX_WBITS)
    check = size = 0
    while data := os.read(source, _BLOCK):
        check, size = zlib.crc32(data, check), size + len(data)
        _write(target, stream.compress(data))
    end = check.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    _write(target, stream.flush() + end)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


if __name__ == "__main__":
    compress(sys.argv[1])
