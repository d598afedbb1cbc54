"""A root file system as one tar: taken in as an image of one layer, or written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.store import NEVER, Image, Layer, Store
from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import Digest

_CHUNK = 1 << 20


def import_rootfs(
    store: Store, read: Callable[[int], bytes], config: ImageConfig
) -> Image:
    """An image of the tar that `read` gives, compressed or not, as its one layer.

    `config` gets the layer's diff_id, which is the digest of the plain tar. Raises
    InvalidArchive; nothing is then left in the store.
    """
    from lamina.oci.apply import Limits, apply
    from lamina.oci.compression import open_stream

    with store.workspace() as workspace:
        directory = workspace.directory("root")
        skeleton = f"{workspace.path}/skeleton"
        plain = open_stream(read)
        with open(skeleton, "wb") as record:
            applied = apply(plain, directory, Limits(), store.xattrs, record)
        while plain(_CHUNK):
            pass
        name = applied.diff_id
        made = Layer(name, name, applied.bytes, applied.entries, NEVER)
        layer = store.publish_layer(directory, made, skeleton)
        return store.put_image(replace(config, diff_ids=(name,)), (layer.content,))


def export_root(root: str, write: Callable[[bytes], object], xattrs: str) -> Digest:
    """Write all below `root`, a mounted merged root, as a tar; its digest.

    Canonical as layers are: the same files give the same bytes, with their times.
    """
    from lamina.oci.pack import Times, pack

    return pack(root, Times(None, 0), write, xattrs).diff_id
