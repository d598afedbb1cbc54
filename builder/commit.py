"""commit: what a step changed becomes a layer of the store, recorded under its key."""

from __future__ import annotations

from lamina.builder.cache import record
from lamina.oci.store import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.cachekey import CacheKey
    from lamina.oci.digest import Digest
    from lamina.oci.store import Store


def commit(
    store: Store, key: CacheKey, upper: str, since: int, epoch: int | None
) -> tuple[Digest, bool]:
    """The content of the layer that `upper` now is, and whether it is a new one.

    `since` (ns): files younger than this are the step's own and follow the epoch
    (seconds). One pass over the files gives content and diff_id.
    """
    from lamina.oci.pack import Times, pack

    packed = pack(upper, Times(epoch, since), None, store.xattrs)
    made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, since)
    layer = store.publish_layer(upper, made, epoch=epoch)
    return layer.content, record(store, key, (layer.content,))
