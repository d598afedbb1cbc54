"""Results that newer ones took the place of: dropped one by one, and not by policy.

Whoever builds again and again (`lamina watch`) knows what nobody will ask for any more;
a collection would keep it for weeks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamina.oci.files.workspace import held, names
from lamina.oci.garbage.images import drop_images
from lamina.oci.garbage.layers import reachable
from lamina.oci.garbage.trash import empty_trash, to_trash
from lamina.oci.store.layers import forget_layer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store

_DIGEST = r"sha256:[0-9a-f]{64}"


def drop_superseded(
    store: Store, images: Iterable[Digest], keys: Iterable[str]
) -> bool:
    """Drop images, unless they have a name or are part of an index, rows of the build
    cache, and the layers that then nobody needs.

    False, and nothing is done, while somebody is at work who may use them.
    """
    parent = f"{store.root}/tmp"
    with held(parent, alone=True):
        if names(parent)[0]:
            return False
        with store.transaction() as run:
            gone = _drop(run, tuple(images), tuple(keys))
        for content in gone:
            for folder in ("layers", "skeletons"):
                to_trash(store, f"{store.root}/{folder}/{content[7:]}")
    empty_trash(store)
    return True


def _drop(
    run: sqlite3.Connection, images: tuple[Digest, ...], keys: tuple[str, ...]
) -> list[str]:
    """The contents of the layers that go."""
    layers: set[str] = set()
    unnamed = []
    for identity in images:
        row = run.execute("SELECT layers FROM image WHERE id=?", (identity,)).fetchone()
        if row is not None and not _is_kept(run, identity):
            unnamed.append(identity)
            layers.update(row[0].split())
    drop_images(run, tuple(unnamed))
    read: set[str] = set()
    for key in keys:
        row = run.execute("SELECT layers, fields FROM step WHERE key=?", (key,))
        for found, fields in row.fetchall():
            layers.update(found.split())
            read.update(re.findall(_DIGEST, fields))
            run.execute("DELETE FROM step WHERE key=?", (key,))
    for name in (*unnamed, *keys, *read):
        # What was remembered of it: the base of an image, the files that a step read.
        run.execute("DELETE FROM memo WHERE key=?", (name,))
    gone = sorted(layers - reachable(run))
    for content in gone:
        forget_layer(run, content)
    return gone


def _is_kept(run: sqlite3.Connection, identity: str) -> bool:
    named = run.execute("SELECT 1 FROM reference WHERE image=?", (identity,)).fetchone()
    inside = run.execute(
        "SELECT 1 FROM image_index, json_each(members) AS entry "
        "WHERE json_extract(entry.value, '$[1]')=?",
        (identity,),
    ).fetchone()
    return named is not None or inside is not None
