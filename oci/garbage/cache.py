"""Rows of the build cache that go: old ones, or the oldest of too many."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.garbage.policy import Policy, Space
    from lamina.oci.store.store import Store


def drop_cache(
    store: Store, run: sqlite3.Connection, policy: Policy, horizon: int
) -> int:
    """Delete what the policy lets go, with somebody at work only what was long unused;
    how many rows went."""
    rows = _chosen(run, policy, min(policy.cache_before, horizon))
    gone = [key for key, _ in rows]
    if policy.space is not None:
        gone = _oldest(run, rows, surplus(store, run, policy.space))
    run.executemany("DELETE FROM step WHERE key=?", [(key,) for key in gone])
    return len(gone)


def drop_memos(run: sqlite3.Connection, policy: Policy, horizon: int) -> None:
    """Forget what can be computed again, where all of the cache that is old goes."""
    if policy.space is None and not (policy.kinds or policy.ids):
        before = min(policy.cache_before, horizon)
        run.execute("DELETE FROM memo WHERE used<?", (before,))


def cache_bytes(
    run: sqlite3.Connection, superfluous: tuple[str, ...] = ()
) -> dict[str, int]:
    """The layers that the build cache alone keeps, and the bytes of each; as if the
    images were gone that are `superfluous`."""
    sizes = dict(run.execute("SELECT content, bytes FROM layer").fetchall())
    cached, needed = set[str](), set[str]()
    for (layers,) in run.execute("SELECT layers FROM step"):
        cached.update(layers.split())
    for identity, layers in run.execute("SELECT id, layers FROM image"):
        (cached if identity in superfluous else needed).update(layers.split())
    needed.update(content for (content,) in run.execute("SELECT content FROM pin"))
    return {c: sizes[c] for c in cached - needed if c in sizes}


def surplus(
    store: Store,
    run: sqlite3.Connection,
    space: Space,
    superfluous: tuple[str, ...] = (),
) -> int:
    """How many bytes of the build cache are too many; `superfluous` as there."""
    used = sum(cache_bytes(run, superfluous).values())
    disk = os.statvfs(store.root)
    return max(0, used - space.kept(used, disk.f_bavail * disk.f_frsize))


def _chosen(
    run: sqlite3.Connection, policy: Policy, before: int
) -> list[tuple[str, str]]:
    """The rows that may go, with their layers, those first that were used first."""
    rows = run.execute(
        "SELECT key, layers, fields FROM step WHERE used<? ORDER BY used, created, key",
        (before,),
    ).fetchall()
    return [
        (key, layers)
        for key, layers, fields in rows
        if (not policy.kinds or kind_of(fields) in policy.kinds)
        and (not policy.ids or key.removeprefix("sha256:").startswith(policy.ids))
    ]


def kind_of(fields: str) -> str:
    """What a step does, by the fields of its key: run, test, copy, add, workdir."""
    try:
        found = json.loads(fields)
    except ValueError:
        return ""
    return str(found.get("kind", "")) if isinstance(found, dict) else ""


def _oldest(
    run: sqlite3.Connection, rows: list[tuple[str, str]], surplus: int
) -> list[str]:
    """The first rows, as many as free so many bytes; none that frees nothing."""
    sizes = cache_bytes(run)
    users: dict[str, int] = {}
    for (layers,) in run.execute("SELECT layers FROM step"):
        for content in set(layers.split()):
            users[content] = users.get(content, 0) + 1
    gone = []
    for key, layers in rows:
        if surplus <= 0:
            break
        own = set(layers.split()) & sizes.keys()
        if not own:
            continue
        gone.append(key)
        for content in own:
            users[content] -= 1
            surplus -= 0 if users[content] else sizes[content]
    return gone
