"""What a container wrote, read back from the records that keeper/log.py wrote."""

from __future__ import annotations

import os
from _json import scanstring  # json's, without the rest of it
from typing import NamedTuple

from lamina.runtime.containers import log_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK = 256 * 1024
_LOG, _LOST = '{"log":"', '{"lost":'
# scanstring's end is behind the quote.
_STREAM = ',"stream":"'
_TIME = '","time":"'
_ATTRS = '","attrs":'


class Record(NamedTuple):
    """One record of a log; `time` as it was written, RFC 3339 in UTC.

    No `value`: a log has millions of them. `lost` records are those that the disk had
    no room for; then there is nothing else but the time. `attrs` is a JSON object,
    or "".
    """

    log: bytes
    stream: str
    time: str
    lost: int = 0
    attrs: str = ""


def read(path: str, tail: int | None = None) -> Iterator[Record]:
    """The records of a log, all or of the last `tail` lines; none without a log."""
    if os.path.exists(path):
        yield from follow(path, tail, lambda: True)


def follow(path: str, tail: int | None, ended: Callable[[], bool]) -> Iterator[Record]:
    """As `read`, then what is added until `ended()` and nothing is left.

    `ended` waits until something may have been added before it says no.
    """
    files = _begin(path, tail)
    last = False
    try:
        while True:
            for file in files:
                yield from file.records()
            if newer := log_files.newer_files(path, files[-1].fd):
                # What was written after the look and before the rotation.
                yield from files[-1].records()
                log_files.close(file.fd for file in files)
                files = [_File(fd) for fd in newer]
            elif last:
                return
            else:
                last = ended()
    finally:
        log_files.close(file.fd for file in files)


class _File:
    """One file of a log, read on from where it stands."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._pending = b""
        self._begun = False

    def records(self) -> Iterator[Record]:
        """What is there and has not been read; a line that was cut short is not."""
        if not self._begun:
            self._begun = True
            log_files.decompress(self.fd)
        while data := os.read(self.fd, _BLOCK):
            *lines, self._pending = (self._pending + data).split(b"\n")
            for line in lines:
                if (record := _parsed(line)) is not None:
                    yield record


def _begin(path: str, tail: int | None) -> list[_File]:
    """The files to read, from where the last `tail` lines begin."""
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    files = log_files.open_files(path)
    if tail is not None:
        first = log_files.start_of_tail(files, tail)
        log_files.close(files[:first])
        files = files[first:]
    return [_File(fd) for fd in files]


def _parsed(line: bytes) -> Record | None:
    """A record; None for a line that a crash cut short."""
    text = line.decode("ascii", "replace")
    if not text.startswith(_LOG):
        return _told(text)
    try:
        log, end = scanstring(text, len(_LOG), True)
    except ValueError:
        return None
    # All else has nothing to escape.
    if not text.startswith(_STREAM, end) or not text.endswith('"}'):
        return None
    stream, found, time = text[end + len(_STREAM) : -2].partition(_TIME)
    attrs = ""
    if not found or _ATTRS in stream:
        stream, found, attrs = text[end + len(_STREAM) : -2].partition(_ATTRS)
        attrs, found, time = attrs.rpartition(_TIME[1:])
    if not found:
        return None
    return Record(log.encode("utf-8", "surrogateescape"), stream, time, attrs=attrs)


def _told(text: str) -> Record | None:
    """The line that tells of records which the disk had no room for."""
    count, found, time = text.removeprefix(_LOST).partition(_TIME[1:])
    if not text.startswith(_LOST) or not found or not count.isdecimal():
        return None
    return Record(b"", "", time.removesuffix('"}'), int(count))


def nanoseconds(text: str) -> int:
    """An RFC 3339 time in UTC, as keeper/log.py writes it; raises ValueError."""
    import calendar
    import time

    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
