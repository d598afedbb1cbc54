"""The stat cache: digests of files that did not change since they were last read.

One row holds a whole directory, so that an unchanged one costs a comparison of its
Records (record.py). The rows of a context are a table in the store: loaded at once,
written back once, and made again when lost.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.builder.memos import Memos, Table

    # Names joined by NUL, records and digests joined, and the digest of them all.
    Row = tuple[str, bytes, bytes, bytes]
    # A directory's path with the patterns that chose from it, or a file's and `FILE`.
    Key = tuple[str, str]

KIND = "context"
# A change of what a row holds or how it is computed needs another version.
_VERSION = 2

FILE = "\0"

# A file whose ctime is this close before its reading (ns) may change again under the
# same stamp: kernels before 6.13 move ctime once in a tick, up to 10 ms.
RACY = 20_000_000

# Their stamps come from another clock, or are kept for a while by the client.
_REMOTE = frozenset(
    [
        "9p",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "fuse",
        "glusterfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "virtiofs",
    ]
)


class StatCache:
    """The rows of one tree; `memos` None keeps nothing."""

    def __init__(self, memos: Memos | None, name: str) -> None:
        self._memos = memos
        self._name = name
        self._rows: dict[Key, Row] | None = None
        self._seen: set[Key] = set()
        self._walked: list[Key] = []
        self._changed = False
        self._table: Table | None = None

    def row(self, key: Key) -> Row | None:
        """What was kept under `key`."""
        self._seen.add(key)
        if self._rows is None:
            self._rows = self._load()
        return self._rows.get(key)

    def keep(self, key: Key, row: Row) -> None:
        """Replace a row."""
        if self._rows is None:
            self._rows = self._load()
        self._rows[key] = row
        self._seen.add(key)
        self._changed = True

    def walked(self, path: str, patterns: str) -> None:
        """All directories below `path` were asked for with `patterns`."""
        self._walked.append((path, patterns))

    def save(self) -> None:
        """Write rows back if any changed, without those of directories that went."""
        if not self._changed or self._table is None or self._rows is None:
            return
        for key in [key for key in self._rows if self._is_stale(key)]:
            del self._rows[key]
        self._table.write(_VERSION, self._sized())
        self._changed = False

    def _sized(self) -> Iterator[tuple[int, tuple[Key, Row]]]:
        assert self._rows is not None
        for key in sorted(self._rows):
            row = self._rows[key]
            yield len(row[0]) + len(row[1]) + len(row[2]), (key, row)

    def _is_stale(self, key: Key) -> bool:
        """Whether a walk came by where the row's directory should be."""
        path, patterns = key
        return key not in self._seen and any(
            patterns == given and (not top or path == top or path.startswith(top + "/"))
            for top, given in self._walked
        )

    def _load(self) -> dict[Key, Row]:
        if self._memos is None:
            return {}
        from lamina.builder.memos import Table

        self._table = Table(self._memos, KIND, self._name)
        version, rows = self._table.read()
        return dict(rows) if version == _VERSION else {}


def is_trustworthy(device: int) -> bool:
    """Whether stamps on the file system `device` (st_dev) are this kernel's own."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.split(" ")
                if fields[2] == number:
                    kind = fields[fields.index("-") + 1]
                    return kind.partition(".")[0] not in _REMOTE
    except OSError:
        return False
    # btrfs and others show numbers of their own; remote ones don't.
    return True
