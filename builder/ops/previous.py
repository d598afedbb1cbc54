"""Previous: the layer that the same COPY made before, to link unchanged files from.

A build mostly copies what the last one copied. Beside its layer a COPY leaves a table
of the digests of the files in it; the next one makes those that have the same digest,
owner, mode and time as hard links (link(2)), which costs a tenth of a copy. A layer is
never written to once it is one, so two may share files. The layer is looked up by its
cache key, and when it or the table is gone, all is copied.

Only files that had one name are shared: within a layer a second name is a hard link.
"""

from __future__ import annotations

import os
import stat

from lamina.builder.caching.cache import lookup
from lamina.builder.memos import Table
from lamina.builder.solving.cachekey import CacheKey
from lamina.builder.sources.record import DIGEST_SIZE
from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.ops.upper import Directory, Upper
    from lamina.builder.solving.graph import CopyOp
    from lamina.oci.store.store import Store

KIND = "copied"
# More files than this are not noted: the table has 40 bytes for each.
_MOST = 1_000_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Previous:
    """The files of one earlier layer, and a note of those of the new one."""

    def __init__(self, store: Store, operation: CopyOp | str, context: str) -> None:
        self._store = store
        # Which COPY of which build this is, or which mount (kept_copies.py); a wrong
        # guess finds nothing to link.
        slot = Digest.of(f"{context}\0{operation}".encode(errors="replace"))
        self._table = Table(store, KIND, slot)
        self._layer, self._known = self._recall()
        self._noted: dict[str, tuple[str, bytes]] = {}
        self._count = 0
        # Of the directory that files are being put into: its path, the one in the old
        # layer (-1: none), and the digests of its files.
        self._path = ""
        self._fd = -1
        self._digests: dict[str, bytes] = {}
        self._names: list[str] = []
        self._found: list[bytes] = []

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remember(self, key: CacheKey) -> None:
        """Leave the table for the next one; `key` is that of the new layer."""
        if not self._count or self._count > _MOST:
            return
        self._note()
        sized = (
            (len(files[0]) + len(files[1]), (path, files))
            for path, files in self._noted.items()
        )
        self._table.write(str(key.digest), sized)

    def link(
        self,
        upper: Upper,
        parent: Directory,
        name: str,
        digest: bytes,
        wanted: tuple[int, int, int, int, int],
    ) -> bool:
        """Make the file as a link, if it was in the old layer just so.

        `wanted` is its mode, owner, group, size and mtime (ns). Either way it is noted.
        """
        if parent.path != self._path:
            self._enter(parent.path)
        self._count += 1
        self._names.append(name)
        self._found.append(digest)
        if self._fd < 0 or self._digests.get(name) != digest:
            return False
        try:
            status = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        mode, uid, gid, size, mtime = wanted
        return (
            status.st_mode == stat.S_IFREG | mode
            and status.st_uid == uid
            and status.st_gid == gid
            and status.st_size == size
            and status.st_mtime_ns == mtime
            and upper.adopt(parent, name, self._fd)
        )

    def _recall(self) -> tuple[str, dict[str, tuple[str, bytes]]]:
        """Where the old layer lies, and its files: by directory, names and digests."""
        key, rows = self._table.read()
        found = lookup(self._store, CacheKey(Digest(key), "")) if key else None
        return (self._store.layer_path(found[0]), dict(rows)) if found else ("", {})

    def _note(self) -> None:
        """What was put into a directory, in few bytes."""
        if self._names:
            names, digests = self._noted.get(self._path, ("", b""))
            joined = "\0".join([*([names] if names else []), *self._names])
            self._noted[self._path] = joined, digests + b"".join(self._found)
        self._names, self._found = [], []

    def _enter(self, path: str) -> None:
        self.close()
        self._note()
        self._path = path
        names, digests = self._known.get(path, ("", b""))
        self._digests = {
            name: digests[at * DIGEST_SIZE : (at + 1) * DIGEST_SIZE]
            for at, name in enumerate(names.split("\0"))
            if name
        }
        if self._digests:
            try:
                self._fd = os.open(self._layer + path, _DIRECTORY)
            except OSError:
                self._digests = {}
