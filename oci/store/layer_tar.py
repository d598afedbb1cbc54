"""The tar of a layer: packed from its files, or put together as it came."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.layers.pack import Packed
    from lamina.oci.store.layer import Layer
    from lamina.oci.store.shelf import Shelf

    Write = Callable[[bytes], object]


def pack_layer(
    shelf: Shelf, layer: Layer, epoch: int | None, write: Write | None
) -> Packed:
    """Pack a layer that a step made, under `epoch` (seconds; None: times as kept).

    Nothing is checked: what was packed says which content it has.
    """
    from lamina.oci.layers.pack import Times, pack

    times = Times(epoch, layer.since)
    return pack(shelf.layer_path(layer.content), times, write, shelf.xattrs)


def given_tar(shelf: Shelf, layer: Layer, write: Write) -> Digest:
    """The tar of a layer that came from elsewhere, by its skeleton; its digest."""
    import hashlib

    from lamina.oci.layers.skeleton import reassemble
    from lamina.oci.store.shelf import missing_layer

    seen = hashlib.sha256()

    def hashed(data: bytes) -> None:
        seen.update(data)
        write(data)

    skeleton = shelf.skeleton_path(layer.content)
    if not os.path.exists(skeleton):
        raise missing_layer(layer.diff_id)
    with open(skeleton, "rb") as stream:
        reassemble(stream, shelf.layer_path(layer.content), hashed)
    return Digest.of_all(seen)
