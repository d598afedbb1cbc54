"""receive: what a shared cache offers becomes a layer of the store, once it is proven.

A record says which content a step gave. That is believed of whoever the user named;
that some bytes *are* this content is believed of nobody: the blob has to have its
digest, its tar the diff_id, and the files, as they lie here in the end, the content.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from lamina.builder.sharing.times import set_fractions
from lamina.oci.archives.unpack import unpack_tar
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch
from lamina.oci.files.removal import remove_tree
from lamina.oci.files.workspace import space_error
from lamina.oci.layers.apply import Limits, apply
from lamina.oci.layers.pack import Times, pack
from lamina.oci.registry.transfers.download import check_digest
from lamina.oci.store.store import NEVER, Layer
from lamina.oci.streams.compression import open_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.sharing.document import Packed, SharedLayer
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.store.store import Store

    Read = Callable[[int], bytes]

_CHUNK = 1 << 20


def receive_layer(
    store: Store,
    layer: SharedLayer,
    read: Read,
    times: bytes,
    workspace: Workspace,
    epoch: int | None,
) -> None:
    """Publish `layer`, whose blob `read` gives; `epoch` (seconds) is the build's.

    Raises InvalidArchive or StoreError for what is not, or cannot be here, what it is
    said to be; nothing of it is then in the store.
    """
    if layer.since == NEVER:
        _receive_given(store, layer, read, workspace)
        return
    directory = workspace.directory(f"shared-{os.urandom(6).hex()}")
    try:
        receive_files(store, layer.packed, read, times, directory)
        _set_root(directory, layer)
        # The times under the epoch are wanted next: one pass has them and the proof.
        found = pack(directory, Times(epoch, layer.since), None, store.xattrs)
        _check_content(layer, found.content)
        made = Layer(
            found.content, found.diff_id, found.bytes, found.entries, layer.since
        )
        store.publish_layer(directory, made, epoch=epoch, created=layer.created)
    finally:
        # Nothing is left of what was refused, nor where the layer was there before.
        remove_tree(directory)


def receive_files(
    store: Store, packed: Packed, read: Read, times: bytes, directory: str
) -> None:
    """Unpack a tar that `read` gives, compressed, into the empty `directory`."""
    blob = _Hashed(read)
    stream = open_stream(blob.read)
    applied = apply(stream, directory, Limits(), store.xattrs, None, attested=True)
    blob.finish(packed)
    if applied.diff_id != packed.diff_id:
        raise DigestMismatch(
            f"The blob {packed.blob.digest} holds {applied.diff_id}, "
            f"the cache says {packed.diff_id}."
        )
    try:
        set_fractions(directory, times)
    except OSError as error:
        raise space_error(error, store.root) from error


def _receive_given(
    store: Store, layer: SharedLayer, read: Read, workspace: Workspace
) -> None:
    """A layer whose times are given: its content is its diff_id."""
    blob = _Hashed(read)
    name = f"shared-{os.urandom(6).hex()}"
    unpacked = unpack_tar(store, blob.read, workspace, name, attested=True)
    blob.finish(layer.packed)
    _check_content(layer, unpacked.layer.diff_id)
    store.publish_layer(
        unpacked.directory, unpacked.layer, unpacked.skeleton, created=layer.created
    )


def _set_root(directory: str, layer: SharedLayer) -> None:
    mode, uid, gid = layer.root
    try:
        os.chown(directory, uid, gid)
        os.chmod(directory, mode)
    except OSError as error:
        raise space_error(error, directory) from error


def _check_content(layer: SharedLayer, found: Digest) -> None:
    if found != layer.content:
        raise DigestMismatch(
            f"The layer {layer.content.short} cannot be kept here as it was made: "
            f"its files come to be {found.short}.",
            hint="Devices and attributes that only root may make are such files.",
        )


class _Hashed:
    """Hashes a blob's bytes as they are read."""

    def __init__(self, read: Read) -> None:
        self._inner = read
        self._seen = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._inner(size)
        self._seen.update(data)
        return data

    def finish(self, packed: Packed) -> None:
        """Read what follows the compressed data, and compare the digest."""
        while self.read(_CHUNK):
            pass
        check_digest(packed.blob, Digest.of_all(self._seen))
