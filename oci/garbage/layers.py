"""Layers that nothing needs any more, and files without a row."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.garbage.trash import to_trash
from lamina.oci.store.layers import forget_layer

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.store.store import Store


def drop_layers(
    run: sqlite3.Connection, horizon: int
) -> tuple[tuple[Digest, ...], int]:
    """Delete the rows of layers; their contents, and their bytes."""
    needed = reachable(run)
    rows = run.execute("SELECT content, bytes, created, used FROM layer")
    gone = []
    size = 0
    for content, count, created, used in rows.fetchall():
        if content not in needed and max(created, used) < horizon:
            gone.append(Digest(content))
            size += count
    for content in gone:
        forget_layer(run, content)
    return tuple(gone), size


def reachable(run: sqlite3.Connection) -> set[str]:
    """The contents that images, containers and the build cache stand on."""
    found: set[str] = set()
    for statement in ("SELECT layers FROM image", "SELECT layers FROM step"):
        for (layers,) in run.execute(statement):
            found.update(layers.split())
    found.update(c for (c,) in run.execute("SELECT content FROM pin"))
    return found


def drop_orphans(store: Store, run: sqlite3.Connection) -> None:
    """Files whose rows are gone: of layers dropped before, or by a crash."""
    here = {c[7:] for (c,) in run.execute("SELECT content FROM layer")}
    for folder in ("layers", "skeletons"):
        for name in os.listdir(f"{store.root}/{folder}"):
            if name not in here:
                to_trash(store, f"{store.root}/{folder}/{name}")
