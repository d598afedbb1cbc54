"""Garbage: what nothing in the store needs, found and removed while others work.

What keeps a layer: an image that stays, a container's pin, a row of the build cache
that is young enough, and a live workspace. A process that builds, loads or imports
holds a workspace (flocked, so that it ends with its process), and whatever was used
since an hour before the oldest one was made may be in its hands: `used` is written
that coarsely (Store.touch).

Collecting is one transaction while no workspace can be made: rows go, directories
are renamed into `trash/`, and only afterwards, at leisure, deleted. A process that
dies in between leaves directories without rows and full trash for the next time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.workspace import held, names, remove_tree
from lamina.values import value

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.store import Store

# Store.touch writes `used` when it is older than this, in seconds; and a little.
_COARSE = 3600 + 60
_FOREVER = 1 << 62
# What is remembered of builds, bases and pulls: JSON with an "image", or its ID.
_OF_AN_IMAGE = (("id", "image"), ("id", "image_index"), ("image", "annotation"))
_IMAGE_MEMOS = ("build", "bootstrap", "archive", "name")


@value
class Policy:
    """What may go, in Unix seconds.

    `images_before`: images made before it that no reference names (with `all_images`
    any); `cache_before`: rows of the build cache and memos last used before it.
    `keep` are images that stay in any case, those of containers.
    """

    images_before: int = 0
    all_images: bool = False
    cache_before: int = 0
    keep: frozenset[str] = frozenset()


@value
class Collected:
    """What went: names and IDs of images, contents of layers, and how many bytes."""

    references: tuple[str, ...]
    images: tuple[Digest, ...]
    layers: tuple[Digest, ...]
    steps: int
    bytes: int


def collect(store: Store, policy: Policy) -> Collected:
    """Remove what `policy` lets go and nothing else needs. Safe beside builds."""
    parent = f"{store.root}/tmp"
    with held(parent, alone=True):
        living, dead = names(parent)
        oldest = min((_made(f"{parent}/{name}") for name in living), default=None)
        horizon = _FOREVER if oldest is None else int(oldest) - _COARSE
        with store.transaction() as run:
            collected = _Collection(store, run, policy, horizon).sweep()
        for name in dead:
            _to_trash(store, f"{parent}/{name}")
    _empty_trash(store)
    _remove_locks(store)
    return collected


def collect_layers(store: Store) -> tuple[Digest, ...]:
    """Remove only layers that no image, container, cache row or process needs."""
    return collect(store, Policy()).layers


def _made(path: str) -> float:
    try:
        return os.stat(path).st_ctime
    except FileNotFoundError:
        return time.time()


class _Collection:
    """One sweep, in the transaction that the caller holds."""

    def __init__(
        self, store: Store, run: sqlite3.Connection, policy: Policy, horizon: int
    ) -> None:
        self._store = store
        self._run = run
        self._policy = policy
        self._horizon = horizon

    def sweep(self) -> Collected:
        steps = self._drop_cache()
        references, images = self._drop_images()
        layers, size = self._drop_layers()
        size += self._drop_blobs()
        self._drop_orphans()
        return Collected(references, images, layers, steps, size)

    def _drop_cache(self) -> int:
        """Cache rows and memos; with somebody at work, only what was long unused."""
        before = min(self._policy.cache_before, self._horizon)
        gone = self._run.execute("DELETE FROM step WHERE used<?", (before,)).rowcount
        self._run.execute("DELETE FROM memo WHERE used<?", (before,))
        return int(gone)

    def _drop_images(self) -> tuple[tuple[str, ...], tuple[Digest, ...]]:
        named = dict(self._run.execute("SELECT name, image FROM reference").fetchall())
        remembered = self._remembered()
        kept = self._policy.keep | remembered
        if not self._policy.all_images:
            kept |= set(named.values())
        before = min(self._policy.images_before, self._horizon)
        gone = self._old("image_index", before, kept)
        stays = self._run.execute(
            "SELECT json_extract(entry.value, '$[1]') FROM image_index, "
            "json_each(members) AS entry WHERE image_index.id NOT IN "
            "(SELECT value FROM json_each(?))",
            (json.dumps(gone),),
        )
        kept |= {image for (image,) in stays}
        gone += self._old("image", before, kept)
        untagged = tuple(sorted(n for n, image in named.items() if image in {*gone}))
        for identity in gone:
            self._run.execute("DELETE FROM reference WHERE image=?", (identity,))
            for column, table in _OF_AN_IMAGE:
                self._run.execute(f"DELETE FROM {table} WHERE {column}=?", (identity,))
        return untagged, tuple(Digest(identity) for identity in gone)

    def _old(self, table: str, before: int, kept: frozenset[str]) -> list[str]:
        """Images or indexes made before then, that are not to be kept."""
        rows = self._run.execute(
            f"SELECT id FROM {table} WHERE created<? ORDER BY id", (before,)
        )
        return [identity for (identity,) in rows.fetchall() if identity not in kept]

    def _remembered(self) -> frozenset[str]:
        """Images without a name that the build cache stands for: bases, results."""
        found: set[str] = set()
        rows = self._run.execute(
            "SELECT value FROM memo WHERE kind IN (?,?,?,?)", _IMAGE_MEMOS
        )
        for (data,) in rows:
            text = bytes(data).decode("utf-8", "replace")
            if text.startswith("{"):
                with contextlib.suppress(ValueError):
                    record = json.loads(text)
                    found.update(image for _, image in record.get("images", ()))
            found.add(text)
        return frozenset(found)

    def _drop_layers(self) -> tuple[tuple[Digest, ...], int]:
        needed = self.reachable()
        rows = self._run.execute("SELECT content, bytes, created, used FROM layer")
        gone = []
        size = 0
        for content, count, created, used in rows.fetchall():
            if content not in needed and max(created, used) < self._horizon:
                gone.append(Digest(content))
                size += count
        for content in gone:
            self._run.execute("DELETE FROM layer WHERE content=?", (content,))
            self._run.execute("DELETE FROM diff WHERE content=?", (content,))
            self._run.execute("DELETE FROM step WHERE instr(layers, ?)", (content,))
        return tuple(gone), size

    def reachable(self) -> set[str]:
        """The contents that images, containers and the build cache stand on."""
        found: set[str] = set()
        for statement in ("SELECT layers FROM image", "SELECT layers FROM step"):
            for (layers,) in self._run.execute(statement):
                found.update(layers.split())
        found.update(c for (c,) in self._run.execute("SELECT content FROM pin"))
        return found

    def _drop_blobs(self) -> int:
        """Blobs whose layer is gone, and that no image's manifest names."""
        manifests = "\n".join(
            bytes(data).decode("utf-8", "replace")
            for (data,) in self._run.execute(
                "SELECT manifest FROM image WHERE manifest IS NOT NULL"
            )
        )
        rows = self._run.execute(
            "SELECT digest, size, created FROM blob "
            "WHERE diff_id IS NULL OR diff_id NOT IN (SELECT diff_id FROM diff)"
        )
        size = 0
        for digest, count, created in rows.fetchall():
            if digest not in manifests and created < self._horizon:
                self._run.execute("DELETE FROM blob WHERE digest=?", (digest,))
                size += count
        return size

    def _drop_orphans(self) -> None:
        """Files whose rows are gone: of layers dropped here, or by a crash before.

        A row that was just deleted has its file removed by this too. Should the
        transaction then fail to commit, its layer is lost, and `check` says so: so
        this is the last thing that is done in it.
        """
        root = self._store.root
        here = {c[7:] for (c,) in self._run.execute("SELECT content FROM layer")}
        blobs = {d[7:] for (d,) in self._run.execute("SELECT digest FROM blob")}
        for folder, known in (
            ("layers", here),
            ("skeletons", here),
            ("blobs/sha256", blobs),
        ):
            for name in os.listdir(f"{root}/{folder}"):
                if name not in known:
                    _to_trash(self._store, f"{root}/{folder}/{name}")


def _to_trash(store: Store, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, f"{store.root}/trash/{os.urandom(8).hex()}")


def _empty_trash(store: Store) -> None:
    """Delete what anybody put there; others may be deleting it too."""
    trash = f"{store.root}/trash"
    for name in os.listdir(trash):
        remove_tree(f"{trash}/{name}")


def _remove_locks(store: Store) -> None:
    """Lock files whose holders died: nobody waits for one that is free."""
    folder = f"{store.root}/locks"
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                os.unlink(path)
        os.close(descriptor)
