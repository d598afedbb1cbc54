"""The store's index: one SQLite file that many processes share.

WAL and synchronous=NORMAL: a power cut may lose the last transactions, which are
cache rows or references to layers that are still volatile then, and never damages
the file. No transaction is held while a step runs.
"""

from __future__ import annotations

import _thread
import errno
import os

from lamina.oci.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from typing import Any
else:
    # Without what makes times of texts: half of what the import costs.
    import _sqlite3 as sqlite3

VERSION = 3

_SCHEMA = """
CREATE TABLE layer (
    content TEXT PRIMARY KEY,      -- digest of the tar with every time zero
    diff_id TEXT NOT NULL,         -- digest of the tar it was published with
    bytes INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    since INTEGER NOT NULL,        -- ns: younger files follow the epoch; -1 none do
    boot TEXT,                     -- boot id while volatile, NULL once on the disk
    created INTEGER NOT NULL,
    used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX layer_volatile ON layer (boot) WHERE boot IS NOT NULL;
CREATE TABLE diff (                -- the diff_id of a layer under an epoch (-1 none)
    content TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (content, epoch)
) WITHOUT ROWID;
CREATE INDEX diff_by_id ON diff (diff_id);
CREATE TABLE image (
    id TEXT PRIMARY KEY,           -- digest of config
    config BLOB NOT NULL,
    layers TEXT NOT NULL,          -- contents, bottom first, blank separated
    manifest BLOB,                 -- as it came, where it came with one
    manifest_digest TEXT,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_by_manifest ON image (manifest_digest);
CREATE TABLE reference (
    name TEXT PRIMARY KEY,         -- canonical: registry/repository:tag
    image TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE step (                -- the build cache
    key TEXT PRIMARY KEY,
    fields TEXT NOT NULL,          -- the key's JSON
    result TEXT NOT NULL,
    layers TEXT NOT NULL,          -- contents that the result needs
    created INTEGER NOT NULL,
    used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE memo (                -- what can be computed again: kind, key, value
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE pin (                 -- layers that a container or a build stands on
    owner TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (owner, content)
) WITHOUT ROWID;
"""
# What version 2 added. An index is several images, one for each platform.
_PLATFORMS = """
CREATE TABLE image_index (
    id TEXT PRIMARY KEY,           -- digest of document
    document BLOB NOT NULL,        -- an OCI index of the images' configs
    members TEXT NOT NULL,         -- JSON: [["linux/amd64", image], ...]
    source BLOB,                   -- the index as it came, where it came with one
    source_digest TEXT,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_index_by_source ON image_index (source_digest);
CREATE TABLE annotation (          -- what an image's manifest or index is to say
    image TEXT NOT NULL,
    place TEXT NOT NULL,           -- manifest, index, ... (oci/store/annotations.py)
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (image, place, key)
) WITHOUT ROWID;
"""
# What version 3 added: what people call a step, for `lamina system df`.
_STEP_NAMES = "ALTER TABLE step ADD COLUMN name TEXT NOT NULL DEFAULT ''"


# What PATH-shm grows by.
_ROOM = 32 * 1024


class Index:
    """A connection that the threads of one process share, one statement at a time.

    `patience`: how long it waits for other writers, in seconds.
    """

    def __init__(self, path: str, patience: float = 30) -> None:
        self._lock = _thread.RLock()
        self._path = path
        try:
            self._open(path, patience)
        except sqlite3.Error as error:
            if not _is_read_only(path):
                raise _translated(error, path) from error
            self._open_read_only(path, patience)

    def _open(self, path: str, patience: float, uri: bool = False) -> None:
        self._connection = sqlite3.connect(
            path,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
            uri=uri,
        )
        self._prepare()

    def _open_read_only(self, path: str, patience: float) -> None:
        """On a disk that cannot be written: nobody changes the file, and there are none
        of those that its readers share."""
        quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        try:
            self._open(f"file:{quoted}?mode=ro&immutable=1", patience, uri=True)
        except sqlite3.Error as error:
            raise _translated(error, path) from error

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA synchronous=NORMAL")
        found = run("PRAGMA user_version").fetchone()[0]
        if found == VERSION:
            return
        if found > VERSION:
            raise StoreError(
                "The store was written by a newer Lamina.",
                hint="Upgrade Lamina, or name another store with LAMINA_ROOT.",
            )
        run("PRAGMA journal_mode=WAL")
        run("BEGIN IMMEDIATE")
        found = run("PRAGMA user_version").fetchone()[0]
        for statements in (_SCHEMA, _PLATFORMS, _STEP_NAMES)[found:]:
            for statement in statements.split(";\n"):
                run(statement)
        run(f"PRAGMA user_version={VERSION}")
        run("COMMIT")

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query, or what a single statement returns."""
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise _translated(error, self._path) from error

    def row(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found = self.rows(statement, *values)
        return found[0] if found else None

    def many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """One statement for each of `rows`, in one transaction."""
        with self.transaction():
            self._connection.executemany(statement, rows)

    def transaction(self) -> Transaction:
        """`with index.transaction():` all or nothing, alone among writers."""
        return Transaction(self._connection, self._lock, self._path)

    def close(self) -> None:
        with self._lock:
            self._connection.close()


class Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK when the block raises."""

    def __init__(
        self, connection: sqlite3.Connection, lock: _thread.RLock, path: str
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._lock.release()
            raise _translated(error, self._path) from error
        return self._connection

    def __exit__(self, kind: object, error: object, _trace: object) -> None:
        try:
            self._connection.execute("ROLLBACK" if kind else "COMMIT")
        except sqlite3.Error as failure:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if kind is None:
                raise _translated(failure, self._path) from failure
        finally:
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise _translated(error, self._path) from error


def _translated(error: sqlite3.Error, path: str) -> StoreError:
    """The sentence for what SQLite says, by its code (https://sqlite.org/rescode.html):
    its low byte is the kind."""
    text = str(error)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return StoreError(
            f"No space left on the disk that holds {path}.",
            hint="`lamina system df` shows what the store uses, "
            "`lamina system prune` frees what nothing needs.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"The store's index {path} cannot be read or written: {text} "
            f"({error.sqlite_errorname}).",
            hint="Is there a quota, or a limit of files' sizes (`ulimit -f`)? `dmesg` "
            "may know more of the disk.",
        )
    if _is_read_only(path):
        return StoreError(
            f"The store {os.path.dirname(path)} is on a disk that is read-only.",
            hint="A kernel mounts a disk read-only that has failed: see `dmesg`.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"Another process has the store's index {path} locked.",
            hint=f"Wait for it and try again; `fuser {path}` says who has it open.",
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreError(
            f"The store's index {path} is damaged: {text}.",
            hint="Move it aside; layers and images are then made or loaded again.",
        )
    return StoreError(f"The store's index {path} cannot be used: {text}.")


def _is_full(path: str) -> bool:
    """Whether there is no room for what a transaction writes: SQLite tells a full disk
    of an I/O error where it grows what processes share (PATH-shm)."""
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ROOM


def _is_read_only(path: str) -> bool:
    """Whether nobody can write to the disk; one that failed says it to who tries."""
    folder = os.path.dirname(path)
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False
