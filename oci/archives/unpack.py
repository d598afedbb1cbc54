"""From an archive into the store: layers unpacked side by side, all of it verified.

A layer is unpacked into a workspace while its digests are computed, and gets its name
in the store only when they are right. A layer that the store has is not read at all.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lamina.oci.archives.archived import ArchivedImage, ArchivedLayer
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch
from lamina.oci.files.workspace import space_error
from lamina.oci.layers.apply import Limits, apply
from lamina.oci.store.store import NEVER, Image, Layer, Store
from lamina.oci.streams.compression import open_stream
from lamina.oci.threads import Stop, side_by_side
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.archives.members import Members, Read
    from lamina.oci.files.workspace import Workspace

_CHUNK = 1 << 20


def unpack(
    store: Store,
    members: Members,
    images: Iterable[ArchivedImage],
    workspace: Workspace,
    jobs: int,
) -> tuple[Image, ...]:
    """Put `images` and their layers into the store, `jobs` layers at a time.

    Raises InvalidArchive, of which nothing is left in the store but sound layers
    that no image names, and the names of no image are moved.
    """
    images = tuple(images)
    wanted = {layer.diff_id: layer for image in images for layer in image.layers}
    stop = Stop()

    def one(layer: ArchivedLayer) -> None:
        with store.alone(f"layer-{layer.diff_id}"):
            if store.layer_by_diff_id(layer.diff_id) is None:
                _unpack_layer(store, members, layer, workspace, stop)

    side_by_side(one, wanted.values(), jobs, stop)
    return tuple(_record(store, image) for image in images)


def _record(store: Store, image: ArchivedImage) -> Image:
    contents = []
    for layer in image.layers:
        found = store.layer_by_diff_id(layer.diff_id)
        assert found is not None, f"{layer.diff_id} was just unpacked"
        contents.append(found.content)
    return store.put_image_bytes(image.config_bytes, contents, image.manifest)


def _unpack_layer(
    store: Store,
    members: Members,
    layer: ArchivedLayer,
    workspace: Workspace,
    stop: Stop,
) -> None:
    # A plain tar's blob digest is its diff_id, which `apply` computes anyway.
    hashed = layer.digest is not None and layer.digest != layer.diff_id
    with members.open(layer.member) as inner:
        blob = _Blob(inner, stop, hashed)
        name = layer.diff_id.hex
        unpacked = unpack_tar(store, blob.read, workspace, name, attested=True)
        while blob.read(_CHUNK):
            pass
    _check(layer, blob, unpacked.layer.diff_id)
    store.publish_layer(unpacked.directory, unpacked.layer, unpacked.skeleton)


@value
class Unpacked:
    """A layer in a workspace, ready to be published."""

    layer: Layer
    directory: str
    skeleton: str


def unpack_tar(
    store: Store,
    read: Read,
    workspace: Workspace,
    name: str,
    attested: bool = False,
) -> Unpacked:
    """Unpack the tar that `read` gives, compressed or not, as `name` in `workspace`.

    `attested`: the caller compares its digest with one that it knows. Raises
    InvalidArchive, and StoreError on a full disk.
    """
    directory = workspace.directory(name)
    skeleton = f"{directory}.skeleton"
    try:
        with open(skeleton, "wb") as record:
            applied = apply(
                open_stream(read),
                directory,
                Limits(),
                store.xattrs,
                record,
                attested,
            )
    except OSError as error:
        raise space_error(error, store.root) from error
    layer = Layer(
        applied.diff_id, applied.diff_id, applied.bytes, applied.entries, NEVER
    )
    return Unpacked(layer, directory, skeleton)


def _check(layer: ArchivedLayer, blob: _Blob, diff_id: Digest) -> None:
    found = blob.digest
    if layer.size is not None and blob.size != layer.size:
        raise DigestMismatch(
            f"The layer {layer.member!r} has {blob.size} bytes, not {layer.size}."
        )
    if found is not None and found != layer.digest:
        raise DigestMismatch(
            f"The layer {layer.member!r} has the digest {found}, "
            f"its manifest says {layer.digest}.",
            hint="The archive is damaged; save or download it again.",
        )
    if diff_id != layer.diff_id:
        raise DigestMismatch(
            f"The layer {layer.member!r} has the diff_id {diff_id}, "
            f"the image's config says {layer.diff_id}.",
            hint="The archive is damaged; save or download it again.",
        )


class _Blob:
    """Counts and hashes a layer's bytes as they are read."""

    def __init__(self, read: Read, stop: Stop, hashed: bool) -> None:
        self.size = 0
        self._read = read
        self._stop = stop
        self._hash = hashlib.sha256() if hashed else None

    def read(self, size: int) -> bytes:
        self._stop.check()
        data = self._read(size)
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
        return data

    @property
    def digest(self) -> Digest | None:
        if self._hash is None:
            return None
        return Digest.of_all(self._hash)
