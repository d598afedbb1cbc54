"""A root file system as one tar: taken in as an image of one layer, or written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import Digest
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


def export_root(root: str, write: Callable[[bytes], object], xattrs: str) -> Digest:
    """Write all below `root`, a mounted merged root, as a tar; its digest.

    Canonical as layers are: the same files give the same bytes, with their times.
    """
    from lamina.oci.layers.pack import Times, pack

    return pack(root, Times(None, 0), write, xattrs).diff_id
