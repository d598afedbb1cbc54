"""The build cache: cache keys to layers, in the store's index."""

from __future__ import annotations

import time

from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.cachekey import CacheKey
    from lamina.oci.store import Store

_COARSE = 3600


def lookup(store: Store, key: CacheKey) -> Digest | None:
    """The content of the layer that a step with this key made, if it is still here."""
    row = store.index.row(
        "SELECT result, step.used FROM step JOIN layer ON layer.content=step.result "
        "WHERE key=?",
        key.digest,
    )
    if row is None:
        return None
    now = int(time.time())
    if row[1] < now - _COARSE:
        store.index.rows("UPDATE step SET used=? WHERE key=?", now, key.digest)
    return Digest(row[0])


def record(store: Store, key: CacheKey, content: Digest) -> bool:
    """Remember what the step made; whether that differs from what it made before."""
    now = int(time.time())
    before = store.index.row("SELECT result FROM step WHERE key=?", key.digest)
    store.index.rows(
        "INSERT OR REPLACE INTO step VALUES (?,?,?,?,?,?)",
        *(key.digest, key.fields, content, content, now, now),
    )
    return before is None or before[0] != content
