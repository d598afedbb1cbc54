"""save: images of the store as archives that Docker, Podman and Skopeo read.

docker     `docker save` of today: an OCI layout with plain layers and a
           `manifest.json`; every Docker since 1.10 loads it
oci        an OCI layout with compressed layers

One image gives the same bytes wherever and whenever it is saved.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lamina.oci.digest import Digest
from lamina.oci.docker_archive import MANIFEST, manifest_entry
from lamina.oci.layout import IMAGE_NAME, INDEX, LAYOUT, LAYOUT_JSON
from lamina.oci.manifest import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    REF_NAME,
    Descriptor,
    Index,
    Manifest,
    to_json,
)
from lamina.oci.platforms import Platform
from lamina.oci.strict_json import dump_json
from lamina.values import replace, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.archive_writer import ArchiveWriter, Write
    from lamina.oci.reference import Reference
    from lamina.oci.store import Image, Store

COMPRESSIONS = {"none": OCI_LAYER, "gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}


@value
class Saved:
    """An image to be saved, and the names that it goes under."""

    image: Image
    references: tuple[Reference, ...] = ()


def save(
    store: Store,
    images: Iterable[Saved],
    writer: ArchiveWriter,
    *,
    docker: bool,
    compression: str = "none",
) -> tuple[Digest, ...]:
    """Write `images` and end the archive; the digests of their manifests.

    With `docker` there is a `manifest.json` too; the layers are then best left
    uncompressed, since Docker's readers differ in what they take. Raises NotFound,
    DigestMismatch when the store is damaged.
    """
    blobs = _Blobs(store, writer, compression)
    entries: list[Descriptor] = []
    docker_entries: list[dict[str, Any]] = []
    for saved in _joined(images):
        manifest = _manifest(blobs, saved.image)
        entries += _index_entries(blobs, saved, manifest)
        names = [_blob(layer.digest) for layer in manifest.layers]
        config = _blob(manifest.config.digest)
        docker_entries.append(manifest_entry(config, names, saved.references))
    if docker:
        writer.add(MANIFEST, dump_json(docker_entries))
    writer.add(INDEX, to_json(Index(tuple(entries))))
    writer.add(LAYOUT, LAYOUT_JSON)
    writer.finish()
    return tuple(dict.fromkeys(entry.digest for entry in entries))


def _joined(images: Iterable[Saved]) -> Iterable[Saved]:
    """Each image once, with all of its names, in the order they were asked for."""
    found: dict[Digest, Saved] = {}
    for saved in images:
        before = found.get(saved.image.id)
        names = (*(before.references if before else ()), *saved.references)
        found[saved.image.id] = replace(saved, references=tuple(dict.fromkeys(names)))
    return found.values()


def _manifest(blobs: _Blobs, image: Image) -> Manifest:
    config = blobs.document(blobs.store.image_config(image.id), OCI_CONFIG)
    layers = tuple(blobs.layer(diff_id) for diff_id in image.config.diff_ids)
    return Manifest(config, layers)


def _index_entries(
    blobs: _Blobs, saved: Saved, manifest: Manifest
) -> tuple[Descriptor, ...]:
    """One entry for each name: an annotation has room for one."""
    config = saved.image.config
    platform = Platform(config.os, config.architecture, config.variant)
    entry = replace(blobs.document(to_json(manifest), OCI_MANIFEST), platform=platform)
    if not saved.references:
        return (entry,)
    return tuple(
        replace(entry, annotations={IMAGE_NAME: str(name), REF_NAME: name.tag or ""})
        for name in saved.references
    )


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


class _Blobs:
    """Writes each blob once, and remembers its descriptor."""

    def __init__(self, store: Store, writer: ArchiveWriter, compression: str) -> None:
        self.store = store
        self._writer = writer
        self._compression = compression
        self._written: set[Digest] = set()
        self._layers: dict[Digest, Descriptor] = {}

    def document(self, data: bytes, media_type: str) -> Descriptor:
        digest = Digest.of(data)
        if digest not in self._written:
            self._writer.add(_blob(digest), data)
            self._written.add(digest)
        return Descriptor(media_type, digest, len(data))

    def layer(self, diff_id: Digest) -> Descriptor:
        """The layer's blob, made from the store's files and verified on the way."""
        if diff_id not in self._layers:
            self._layers[diff_id] = self._make(diff_id)
            self._written.add(self._layers[diff_id].digest)
        return self._layers[diff_id]

    def _make(self, diff_id: Digest) -> Descriptor:
        # The store checks the plain tar; only what is made of it has a digest to find.
        plain = self._compression == "none"
        seen = hashlib.sha256()
        digest, size = diff_id, 0

        def produce(write: Write) -> str:
            nonlocal digest

            def counted(data: bytes) -> None:
                nonlocal size
                size += len(data)
                if not plain:
                    seen.update(data)
                write(data)

            self._write_layer(diff_id, counted)
            if not plain:
                digest = Digest("sha256:" + seen.hexdigest())
            return _blob(digest)

        self._writer.add_stream(produce)
        return Descriptor(COMPRESSIONS[self._compression], digest, size)

    def _write_layer(self, diff_id: Digest, write: Write) -> None:
        if self._compression == "none":
            self.store.layer_tar(diff_id, write)
            return
        from lamina.oci.compression import compressor

        squeeze = compressor(self._compression, write)
        self.store.layer_tar(diff_id, squeeze.write)
        squeeze.close()
