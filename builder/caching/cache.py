"""The build cache: cache keys to layers, in the store's index."""

from __future__ import annotations

import time

from lamina.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.solving.cachekey import CacheKey
    from lamina.builder.solving.layers import Layers
    from lamina.oci.store.store import Store

_COARSE = 3600


def lookup(store: Store, key: CacheKey, max_age: int = 0) -> Layers | None:
    """What a step with this key made: one layer, if it is still here, or, of a test
    that passed, none. `max_age` (ns, 0 = any): what is older counts for nothing."""
    row = store.index.row(
        "SELECT result, step.used, step.created FROM step LEFT JOIN layer "
        "ON layer.content=result WHERE key=? AND (result='' OR content IS NOT NULL)",
        key.digest,
    )
    now = time.time()
    if row is None or (max_age and row[2] + max_age / 1e9 <= now):
        return None
    if row[1] < now - _COARSE:
        store.index.rows("UPDATE step SET used=? WHERE key=?", int(now), key.digest)
    return (Digest(row[0]),) if row[0] else ()


def record(
    store: Store, key: CacheKey, result: Layers, name: str, created: int = 0
) -> bool:
    """Remember what the step `name` made, at `created` (seconds since 1970, 0: now);
    whether that differs from what it made before."""
    now = int(time.time())
    text = " ".join(result)
    before = store.index.row("SELECT result FROM step WHERE key=?", key.digest)
    store.index.rows(
        "INSERT OR REPLACE INTO step VALUES (?,?,?,?,?,?,?)",
        *(key.digest, key.fields, text, text, created or now, now, name),
    )
    return before is None or before[0] != text


def expiry(store: Store, key: CacheKey, max_age: int) -> int:
    """Until when (seconds since 1970) the step's result is younger than `max_age`."""
    row = store.index.row("SELECT created FROM step WHERE key=?", key.digest)
    return int(row[0] + max_age / 1e9) if row is not None else 0
