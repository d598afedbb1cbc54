"""The files that a container's log consists of: `log`, before it `log.1`, `log.2`, ...

They are rotated while they are read, so they are opened at once, and looked at again.
Those with a number may be compressed meanwhile (keeper/log_compression.py).
"""

from __future__ import annotations

import os

from lamina.runtime.keeper.log_compression import HEADER, INODE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# How much a tail reads back at a time.
_BLOCK = 64 * 1024
# The end of a record that ends a line: the newline is escaped, the quote is not.
_LINE_END = b'\\n","stream":'


def open_files(path: str) -> list[int]:
    """Descriptors of the files, the oldest first; none when there is no log."""
    while True:
        found = _open_all(path)
        if not found or _inode(path) == os.fstat(found[0]).st_ino:
            return found[::-1]
        close(found)  # rotated meanwhile


def newer_files(path: str, known: int) -> list[int]:
    """Descriptors of the files after `known`, the oldest first; empty while `known` is
    the newest. All of them when `known` is not there any more."""
    inode = os.fstat(known).st_ino
    if _inode(path) in (inode, 0):
        return []
    files = open_files(path)
    # The newest first: an inode that is not open any more may be another file's now.
    for number in range(len(files) - 1, -1, -1):
        if _inode_before(files[number]) == inode:
            close(files[: number + 1])
            return files[number + 1 :]
    return files


def decompress(file: int) -> None:
    """Have the descriptor stand for what is compressed in its file, if that is so."""
    if os.pread(file, len(HEADER), 0) != HEADER:
        return
    import tempfile

    with tempfile.TemporaryFile() as target:
        for data in _decompressed(file):
            target.write(data)
        target.flush()
        os.dup2(target.fileno(), file, inheritable=False)
    os.lseek(file, 0, os.SEEK_SET)


def start_of_tail(files: list[int], count: int) -> int:
    """Seek to where the last `count` lines begin; the number of files before those.

    Partial records count with their line.
    """
    for number in range(len(files) - 1, -1, -1):
        decompress(files[number])
        position, found = _start(files[number], count)
        os.lseek(files[number], position, os.SEEK_SET)
        if found >= count:
            return number
        count -= found
    return 0


def close(files: Iterable[int]) -> None:
    for fd in files:
        os.close(fd)


def _open_all(path: str) -> list[int]:
    files: list[int] = []
    while True:
        name = f"{path}.{len(files)}" if files else path
        # In the order in which a file comes and goes when it is compressed.
        for candidate in (name, f"{name}.gz"):
            try:
                files.append(os.open(candidate, os.O_RDONLY | os.O_CLOEXEC))
                break
            except FileNotFoundError:
                continue
        else:
            return files


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _inode_before(file: int) -> int:
    """The inode that the file had before it was compressed."""
    size = len(HEADER) + INODE_BYTES
    start = os.pread(file, size, 0)
    if len(start) == size and start.startswith(HEADER):
        return int.from_bytes(start[len(HEADER) :], "little")
    return os.fstat(file).st_ino


def _decompressed(file: int) -> Iterator[bytes]:
    """What is in a file; of one that is damaged, what comes before that."""
    import zlib

    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)
    try:
        while data := os.read(file, _BLOCK):
            yield stream.decompress(data)
    except zlib.error:
        return


def _start(file: int, count: int) -> tuple[int, int]:
    """Where the last `count` lines of a file begin, and how many there were."""
    position = end = os.fstat(file).st_size
    if count <= 0:
        return end, 0
    found, carry = 0, b""
    while position:
        size = min(_BLOCK, position)
        position -= size
        block = os.pread(file, size, position) + carry
        at = block.rfind(_LINE_END)
        while at >= 0:
            found += 1
            if found > count:
                return _next_line(file, position + at), count
            at = block.rfind(_LINE_END, 0, at)
        carry = block[: len(_LINE_END) - 1]
    return 0, found


def _next_line(file: int, position: int) -> int:
    """Where the line after this position begins: what follows a record's text is short,
    but for its attributes."""
    size = 256
    while (end := os.pread(file, size, position).find(b"\n")) < 0:
        size *= 4
    return position + end + 1
