"""commit: what a step changed becomes a layer of the store, recorded under its key."""

from __future__ import annotations

import os

from lamina.builder.caching.cache import record
from lamina.oci.store.store import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.solving.work import Work
    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store


# So many files are not deleted while somebody waits.
_MANY = 500


def commit(
    store: Store, work: Work, upper: str, since: int, epoch: int | None
) -> tuple[Digest, bool]:
    """The content of the layer that `upper`, which a step changed, now is, and whether
    it is a new one.

    `since` (ns): files younger than this are the step's own and follow the epoch
    (seconds). One pass over the files gives content and diff_id.
    """
    from lamina.oci.layers.pack import Times, pack

    packed = pack(upper, Times(epoch, since), None, store.xattrs)
    made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, since)
    layer = store.publish_layer(upper, made, epoch=epoch)
    if layer.entries > _MANY and os.path.lexists(upper):
        store.discard_later(upper)  # that content was there already
    changed = record(store, work.key, (layer.content,), work.step.name)
    return layer.content, changed
