"""Reading the journal of events (oci/store/journal.py): what is there, what comes.

Nobody is asked: the files are read, and the kernel says when they change. A line that
a full disk cut short is left out.
"""

from __future__ import annotations

import json
import os
import time

from lamina.runtime.containers.inotify import Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Event = dict[str, Any]

_BLOCK = 64 * 1024
_BEGIN = b'{"Type":'
# Writers that had opened the file before it was rotated still write to that one.
_KEPT_OPEN = 2


class _Part:
    """One file of the journal, read from its beginning or from its end on."""

    def __init__(self, path: str, whole: bool) -> None:
        flags = os.O_RDONLY | os.O_CLOEXEC
        self.fd = os.open(path, flags)
        self.inode = os.fstat(self.fd).st_ino
        self._pending = b""
        if not whole:
            os.lseek(self.fd, 0, os.SEEK_END)

    def events(self) -> Iterator[Event]:
        """What is there and has not been read."""
        while data := os.read(self.fd, _BLOCK):
            *lines, self._pending = (self._pending + data).split(b"\n")
            for line in lines:
                if (event := _parsed(line)) is not None:
                    yield event


def events(root: str, since: int | None, until: int | None) -> Iterator[Event]:
    """Events between two moments (ns), as they come; without `since` from now on,
    without `until` for ever."""
    changes = Changes()
    path = f"{root}/events"
    parts = _parts(path, since is not None)
    changes.watch(path)
    try:
        while True:
            # Before they are read: what is written by then is there.
            now = time.time_ns()
            for part in parts:
                yield from _between(part.events(), since or 0, until)
            if until is not None and now >= until:
                return
            if _inode(path) != parts[-1].inode:
                parts = [*_shut(parts), _newest(path, True)]
                changes.watch(path)
                continue
            changes.wait(None if until is None else (until - now) / 1e9)
    finally:
        changes.close()
        for part in parts:
            os.close(part.fd)


def _between(found: Iterator[Event], since: int, until: int | None) -> Iterator[Event]:
    for event in found:
        if since <= event["timeNano"] and (until is None or event["timeNano"] < until):
            yield event


def _parts(path: str, whole: bool) -> list[_Part]:
    newest = _newest(path, whole)
    if not whole:
        return [newest]
    try:
        older = _Part(f"{path}.1", True)
    except FileNotFoundError:
        return [newest]
    if older.inode != newest.inode:
        return [older, newest]
    os.close(older.fd)  # it was rotated this moment
    return [newest]


def _newest(path: str, whole: bool) -> _Part:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return _Part(path, whole)


def _shut(parts: list[_Part]) -> list[_Part]:
    for part in parts[: 1 - _KEPT_OPEN]:
        os.close(part.fd)
    return parts[1 - _KEPT_OPEN :]


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _parsed(line: bytes) -> Event | None:
    """An event; what a full disk cut short stands in front of the next one."""
    try:
        found: Event = json.loads(line[max(line.rfind(_BEGIN), 0) :])
    except ValueError:
        return None
    return found
