"""Packing: layers of the store as blobs that another machine makes layers of again.

The tar has the times as they are and not the epoch, so that a build with any epoch, or
none, finds on the other machine what it would have found here. What a layer becomes is
remembered: who shares the same cache again packs nothing.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from lamina.builder.sharing.document import TIMES, Packed, SharedLayer
from lamina.builder.sharing.times import fractions_of
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, NotFound
from lamina.oci.files.hashed_file import write_file
from lamina.oci.manifest import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Descriptor
from lamina.oci.manifest_json import descriptor_json, parse_descriptor
from lamina.oci.registry.progress import Meter
from lamina.oci.store.blobs import known_blob, remember_blob
from lamina.oci.store.layer_tar import given_tar, pack_layer
from lamina.oci.store.store import NEVER
from lamina.oci.threads import Stop
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.files.workspace import Workspace
    from lamina.oci.registry.progress import Tell
    from lamina.oci.store.store import Layer, Store

    Write = Callable[[bytes], object]

_KINDS = {"gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD, "none": OCI_LAYER}
# What the times of a layer were found to be: a descriptor, by content.
_MEMO = "times"
# What has no more bytes stands in the document: the times of 256 files.
_INLINE = 1024


@value
class Compression:
    """How blobs are compressed: by `name` (gzip, zstd, none) and its level."""

    name: str = "gzip"
    level: int | None = None

    @property
    def media_type(self) -> str:
        return _KINDS[self.name]

    @property
    def version(self) -> str:
        """What the digest of a blob depends on besides its content."""
        from lamina.oci.streams.compression import version

        return version(self.name, self.level)


class Packing:
    """Makes blobs in `workspace`; threads may ask at once, and what they pack ends once
    `stop` is set."""

    def __init__(
        self, store: Store, workspace: Workspace, compression: Compression, tell: Tell
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._compression = compression
        self._tell = tell
        self.stop = Stop()

    @property
    def version(self) -> str:
        """What compresses."""
        return self._compression.version

    def new_path(self) -> str:
        """A place for a blob that is on its way."""
        return f"{self._workspace.path}/{os.urandom(8).hex()}.blob"

    def known(self, content: Digest) -> SharedLayer | None:
        """The layer as it was shared before, without a look at its files."""
        layer = self._layer(content)
        diff_id = self._store.known_diff_id(layer, None)
        data = self._store.recall(_MEMO, content)
        if diff_id is None or data is None:
            return None
        compression = self._compression
        media_type, version = compression.media_type, compression.version
        blob = known_blob(self._store, diff_id, version, media_type)
        if blob is None:
            return None
        times = parse_descriptor(json.loads(data), "a memo")
        return self._shared(layer, Packed(diff_id, blob, version, times))

    def times(self, content: Digest) -> bytes:
        """The fractions of a layer's times."""
        if self._layer(content).since == NEVER:
            return b""
        return fractions_of(self._store.layer_path(content))

    def make(self, content: Digest) -> tuple[SharedLayer, str]:
        """The layer packed, and the file that has its blob now.

        Raises DigestMismatch when the store is damaged.
        """
        layer = self._layer(content)
        meter = Meter(self._tell, "pack", content, layer.bytes)
        found: list[Digest] = []

        def produce(write: Write) -> None:
            def measured(data: bytes) -> None:
                self.stop.check()
                meter.add(len(data))
                write(data)

            found.append(self._tar(layer, measured))

        blob, path = self.squeeze(produce)
        diff_id, version = found[0], self._compression.version
        times = describe_times(self.times(content))
        self._store.remember_diff_id(layer, None, diff_id)
        remember_blob(self._store, diff_id, version, blob)
        memo = json.dumps(descriptor_json(times)).encode()
        self._store.remember(_MEMO, content, memo)
        return self._shared(layer, Packed(diff_id, blob, version, times)), path

    def squeeze(self, produce: Callable[[Write], object]) -> tuple[Descriptor, str]:
        """What `produce` writes, compressed into a new file."""
        from lamina.oci.streams.compression import compressor

        path, compression = self.new_path(), self._compression

        def squeezed(write: Write) -> None:
            squeeze = compressor(compression.name, write, compression.level)
            produce(squeeze.write)
            squeeze.close()

        digest, size = write_file(path, squeezed)
        return Descriptor(compression.media_type, digest, size), path

    def _tar(self, layer: Layer, write: Write) -> Digest:
        if layer.since == NEVER:
            diff_id = content = given_tar(self._store, layer, write)
        else:
            packed = pack_layer(self._store, layer, None, write)
            diff_id, content = packed.diff_id, packed.content
        if content != layer.content:
            raise DigestMismatch(
                f"The layer {layer.content.short} has changed in the store.",
                hint="`lamina system check --repair` drops what is damaged.",
            )
        return diff_id

    def _layer(self, content: Digest) -> Layer:
        layer = self._store.layer(content)
        if layer is None:
            raise NotFound(f"The layer {content.short} is not in the store.")
        return layer

    def _shared(self, layer: Layer, packed: Packed) -> SharedLayer:
        status = os.stat(self._store.layer_path(layer.content))
        root = (status.st_mode & 0o7777, status.st_uid, status.st_gid)
        created = self._store.layer_created(layer.content)
        return SharedLayer(layer.content, layer.since, created, root, packed)


def describe_times(data: bytes) -> Descriptor:
    """The descriptor of the fractions of some files; of none there is nothing to be
    had."""
    return describe(TIMES, data)


def describe(media_type: str, data: bytes) -> Descriptor:
    """The descriptor of something small; what is very small stands in it."""
    inline = data if 0 < len(data) <= _INLINE else None
    return Descriptor(media_type, Digest.of(data), len(data), data=inline)
