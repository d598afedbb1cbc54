r"""What a container wrote, kept as Docker's json-file driver keeps it.

One line of JSON a record: {"log":"text\n","stream":"stdout","time":"RFC 3339"}. A
line over 16 KiB becomes several records, of which only the last ends in "\n". Bytes
that are no UTF-8 are lone surrogates in the JSON, so that `logs` gives them back.
"""

from __future__ import annotations

import os
import time

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# moby, daemon/logger/copier.go.
_LONGEST = 16 * 1024
# How much a tail reads back at a time.
_BLOCK = 64 * 1024


class LogWriter:
    """Appends records to a log. One system call for what one read brought."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._pending = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Take bytes of `stream`; a line is recorded once it is complete."""
        lines = (self._pending[stream] + data).split(b"\n")
        rest = lines.pop()
        records = [part for line in lines for part in _split(line + b"\n")]
        while len(rest) >= _LONGEST:
            records.append(rest[:_LONGEST])
            rest = rest[_LONGEST:]
        self._pending[stream] = rest
        self._record(stream, records)

    def _record(self, stream: str, records: list[bytes]) -> None:
        if not records:
            return
        now = rfc3339(time.time_ns())
        text = "".join(
            f'{{"log":{_quoted(record)},"stream":"{stream}","time":"{now}"}}\n'
            for record in records
        )
        data = text.encode("ascii")
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Record what did not end in a newline."""
        for stream, rest in self._pending.items():
            self._record(stream, [rest] if rest else [])
        self._pending = {"stdout": b"", "stderr": b""}
        os.close(self._file)


@value
class Record:
    """One record of a log; `time` as it was written, RFC 3339 in UTC."""

    log: bytes
    stream: str
    time: str


def read(path: str, tail: int | None = None) -> Iterator[Record]:
    """The records of a log, all or the last `tail`; none when there is no log."""
    if not os.path.exists(path):
        return
    with open(path, "rb") as file:
        if tail is not None:
            file.seek(_start_of_tail(file.fileno(), tail))
        for line in file:
            if record := _parsed(line):
                yield record


def follow(path: str, tail: int | None, ended: Callable[[], bool]) -> Iterator[Record]:
    """As `read`, then what is added until `ended()` and nothing is left.

    `ended` waits a moment before it says no: it sets the pace.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(descriptor, "rb", buffering=0) as file:
        if tail is not None:
            file.seek(_start_of_tail(descriptor, tail))
        pending = b""
        last = False
        while True:
            while data := file.read(_BLOCK):
                *lines, pending = (pending + data).split(b"\n")
                yield from filter(None, map(_parsed, lines))
            if last:
                return
            last = ended()


def rfc3339(nanoseconds: int) -> str:
    """A time as Go's RFC3339Nano writes it, in UTC: no zeros at the end."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{fraction:09}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def nanoseconds(text: str) -> int:
    """An RFC 3339 time in UTC, as `rfc3339` writes it, exactly; raises ValueError."""
    import calendar

    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def _split(line: bytes) -> list[bytes]:
    return [line[at : at + _LONGEST] for at in range(0, len(line), _LONGEST)]


def _quoted(data: bytes) -> str:
    from json.encoder import encode_basestring_ascii

    return encode_basestring_ascii(data.decode("utf-8", "surrogateescape"))


def _parsed(line: bytes) -> Record | None:
    """A record; None for a line that a crash cut short."""
    import json

    try:
        fields = json.loads(line)
        text: str = fields["log"]
        return Record(
            text.encode("utf-8", "surrogateescape"), fields["stream"], fields["time"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


# The end of a record that ends a line: the newline is escaped, the quote is not.
_LINE_END = b'\\n","stream":'


def _start_of_tail(file: int, count: int) -> int:
    """Where the last `count` lines begin; partial records count with their line."""
    position = end = os.fstat(file).st_size
    if count <= 0:
        return end
    found, carry = 0, b""
    while position:
        size = min(_BLOCK, position)
        position -= size
        block = os.pread(file, size, position) + carry
        at = block.rfind(_LINE_END)
        while at >= 0:
            found += 1
            if found > count:
                # What follows a record's text fits in less.
                rest = os.pread(file, 256, position + at)
                return position + at + rest.index(b"\n") + 1
            at = block.rfind(_LINE_END, 0, at)
        carry = block[: len(_LINE_END) - 1]
    return 0
