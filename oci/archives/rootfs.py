"""A root file system that comes as one tar, as an image of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Image, Store


def import_rootfs(
    store: Store, read: Callable[[int], bytes], config: ImageConfig
) -> Image:
    """An image of the tar that `read` gives, compressed or not, as its one layer.

    `config` gets the layer's diff_id, which is the digest of the plain tar. Raises
    InvalidArchive; nothing is then left in the store.
    """
    from lamina.oci.archives.unpack import unpack_tar

    with store.workspace() as workspace:
        unpacked = unpack_tar(store, read, workspace, "root")
        layer = store.publish_layer(
            unpacked.directory, unpacked.layer, unpacked.skeleton
        )
        config = replace(config, diff_ids=(unpacked.layer.diff_id,))
        return store.put_image(config, (layer.content,))
