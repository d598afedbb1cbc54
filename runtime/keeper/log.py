r"""A container's log, written as Docker's json-file driver writes it.

One line of JSON a record: {"log":"text\n","stream":"stdout","time":"RFC 3339"}, with
"attrs":{"NAME":"TEXT",...} before the time where the container's records have some. A
line over 16 KiB becomes several records, of which only the last ends in "\n". Bytes
that are no UTF-8 are lone surrogates in the JSON, so that `logs` gives them back.
"""

from __future__ import annotations

import os
import sys
import time
from _json import encode_basestring_ascii

from lamina.runtime import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# moby, daemon/logger/copier.go.
_LONGEST = 16 * 1024
_SIGCHLD = 17


class LogWriter:
    """Appends records to a log. One system call for what one read brought.

    Where the file would be larger than `max_size` (bytes, 0: as large as it likes) it
    becomes `path.1`, that one `path.2`, and so on, `max_files` of them with the newest.
    While the disk has no room records are lost; a line {"lost":COUNT,"time":...} says
    so once there is room again. `attrs` is a JSON object for each record, or "".
    With `visit` those with a number are compressed (log_compression.py); it brings a
    child to where Python's modules are.
    """

    def __init__(
        self,
        path: str,
        max_size: int = 0,
        max_files: int = 1,
        attrs: str = "",
        visit: Callable[[], None] | None = None,
    ) -> None:
        self._path = path
        self._attrs = f'"attrs":{attrs},' if attrs else ""
        self._max_size = max_size
        self._max_files = max_files
        self._pending = {"stdout": b"", "stderr": b""}
        self._visit = visit
        # Who compresses `path.1`.
        self._compressing = 0
        self._lost = 0
        self._file = _open(path)
        self._size = os.fstat(self._file).st_size

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

    def flush(self) -> None:
        """Record what did not end in a newline."""
        for stream, rest in self._pending.items():
            self._record(stream, [rest] if rest else [])
        self._pending = {"stdout": b"", "stderr": b""}

    def close(self) -> None:
        """Record what is left, and let go of the file."""
        self.flush()
        self._append([])
        self._await_compression()
        os.close(self._file)

    def _record(self, stream: str, records: list[bytes]) -> None:
        if not records:
            return
        now = rfc3339(time.time_ns())
        rest = f',"stream":"{stream}",{self._attrs}"time":"{now}"}}\n'
        lines = [f'{{"log":{_quoted(record)}{rest}' for record in records]
        if not self._max_size:
            self._append(lines)
            return
        while lines:
            count = self._fitting(lines)
            self._append(lines[:count])
            lines = lines[count:]

    def _fitting(self, lines: list[str]) -> int:
        """How many go into the file, or into the new one that this begins."""
        room = self._max_size - self._size
        if len(lines[0]) > room and self._size:
            self._rotate()
            room = self._max_size - self._size
        count = 1
        room -= len(lines[0])
        while count < len(lines) and len(lines[count]) <= room:
            room -= len(lines[count])
            count += 1
        return count

    def _append(self, lines: list[str]) -> None:
        told = self._lost
        if told:
            now = rfc3339(time.time_ns())
            lines = [f'{{"lost":{told},"time":"{now}"}}\n', *lines]
        data = "".join(lines).encode("ascii")
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError:
            # A full disk, or one that failed and is read-only: the container goes on,
            # and so do its readers.
            whole = data.rfind(b"\n", 0, done) + 1
            if done > whole:
                self._cut(self._size + whole)
            done = whole
        self._size += done
        written = data.count(b"\n", 0, done)
        # The line that tells of the lost ones is no record.
        self._lost = len(lines) - written if written else told + len(lines) - bool(told)

    def _cut(self, size: int) -> None:
        try:  # noqa: SIM105 (contextlib is an import)
            os.ftruncate(self._file, size)
        except OSError:
            pass

    def _rotate(self) -> None:
        """Begin a new file; while there can be none, go on in this one."""
        # Who writes faster than that waits, as it does for the disk.
        self._await_compression()
        fresh = f"{self._path}.new"
        try:
            file = _open(fresh)
            for number in range(self._max_files - 1, 0, -1):
                self._rename(number)
            os.rename(fresh, self._path)
        except OSError:
            return
        os.close(self._file)
        self._file = file
        self._size = 0
        if self._visit is not None and self._max_files > 1:
            self._compress(self._visit)

    def _rename(self, number: int) -> None:
        """Have what is the `number - 1`th the `number`th file, compressed or not."""
        older = f"{self._path}.{number - 1}" if number > 1 else self._path
        newer = f"{self._path}.{number}"
        for name in ("", ".gz"):
            if os.path.lexists(older + name):
                os.rename(older + name, newer + name)
            elif os.path.lexists(newer + name):
                os.unlink(newer + name)

    def _compress(self, visit: Callable[[], None]) -> None:
        program = os.path.dirname(__file__) + "/log_compression.py"
        options = ("-I", "-S", "-X", "utf8", program, f"{self._path}.1")
        try:
            self._compressing, pidfd = syscalls.clone3(0, _SIGCHLD)
        except OSError:
            return  # no process to be had: it stays as it is
        if self._compressing == 0:
            try:
                visit()
                os.execv("/proc/self/exe", (sys.executable, *options))
            finally:
                os._exit(0)
        os.close(pidfd)

    def _await_compression(self) -> None:
        if self._compressing:
            os.waitpid(self._compressing, 0)
            self._compressing = 0


def _open(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def rfc3339(nanoseconds: int) -> str:
    """A time as Go's RFC3339Nano writes it, in UTC: no zeros at the end."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{fraction:09}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def _split(line: bytes) -> list[bytes]:
    return [line[at : at + _LONGEST] for at in range(0, len(line), _LONGEST)]


def _quoted(data: bytes) -> str:
    return encode_basestring_ascii(data.decode("utf-8", "surrogateescape"))
