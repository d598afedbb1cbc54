"""save: images of the store as archives that Docker, Podman and Skopeo read.

docker     `docker save` of today: an OCI layout with plain layers and a
           `manifest.json`; every Docker since 1.10 loads it
oci        an OCI layout with compressed layers

One image gives the same bytes wherever and whenever it is saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamina.oci.archives.docker_archive import MANIFEST, manifest_entry
from lamina.oci.archives.layout import IMAGE_NAME, INDEX, LAYOUT, LAYOUT_JSON, blob_name
from lamina.oci.digest import Digest
from lamina.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    REF_NAME,
    Descriptor,
    Index,
    Manifest,
)
from lamina.oci.manifest_json import to_json
from lamina.oci.platforms import Member, choose, platform_of
from lamina.oci.store.blobs import known_blob, remember_blob
from lamina.oci.strict_json import dump_json
from lamina.values import EMPTY, replace, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.archives.writer import ArchiveWriter, Write
    from lamina.oci.reference import Reference
    from lamina.oci.store.store import Image, Store


@value
class Form:
    """How an archive is written.

    With `docker` there is a `manifest.json` too; the layers are then best left
    uncompressed, since Docker's readers differ in what they take. `level` None is the
    compression's own; `docker_types` writes Docker's schema 2 instead of OCI's.
    """

    docker: bool = False
    compression: str = "gzip"
    level: int | None = None
    docker_types: bool = False


@value
class Saved:
    """An image to be saved, the names that it goes under, and what its manifest and
    the entry that leads to it are annotated with."""

    image: Image
    references: tuple[Reference, ...] = ()
    annotations: Mapping[str, str] = EMPTY
    entry_annotations: Mapping[str, str] = EMPTY


@value
class SavedIndex:
    """Images for several platforms to be saved as one; its names and annotations."""

    images: tuple[Saved, ...]
    references: tuple[Reference, ...] = ()
    annotations: Mapping[str, str] = EMPTY
    entry_annotations: Mapping[str, str] = EMPTY


class _Types:
    """The media types of one family."""

    def __init__(self, docker: bool) -> None:
        self.manifest = DOCKER_MANIFEST if docker else OCI_MANIFEST
        self.index = DOCKER_INDEX if docker else OCI_INDEX
        self.config = DOCKER_CONFIG if docker else OCI_CONFIG
        self.layers = {
            "none": DOCKER_LAYER if docker else OCI_LAYER,
            "gzip": DOCKER_LAYER_GZIP if docker else OCI_LAYER_GZIP,
            "zstd": f"{DOCKER_LAYER}.zstd" if docker else OCI_LAYER_ZSTD,
        }


def save(
    store: Store,
    images: Iterable[Saved | SavedIndex],
    writer: ArchiveWriter,
    form: Form = Form(),  # noqa: B008 (a value)
    earlier: Iterable[Descriptor] = (),
) -> tuple[Descriptor, ...]:
    """Write `images` and end the archive; the descriptors of their manifests.

    `earlier` is what the layout that is written to lists already: it stays, but for
    entries of the same names. Raises NotFound, DigestMismatch when the store is
    damaged.
    """
    archive = _Archive(_Blobs(store, writer, form), form)
    entries: list[Descriptor] = []
    for saved in _joined(images):
        if isinstance(saved, SavedIndex):
            entries += archive.index(saved)
        else:
            entries += archive.image(saved)
    if form.docker:
        writer.add(MANIFEST, dump_json(archive.docker_entries))
    kept = [entry for entry in earlier if not _replaced(entry, entries)]
    writer.add(LAYOUT, LAYOUT_JSON)
    writer.add(INDEX, to_json(Index((*kept, *entries))))
    writer.finish()
    return tuple({entry.digest: entry for entry in reversed(entries)}.values())[::-1]


def _replaced(old: Descriptor, entries: list[Descriptor]) -> bool:
    """Whether one of `entries` takes the name of `old`, or is the same manifest."""
    name = old.annotations.get(IMAGE_NAME)
    return any(
        name == entry.annotations.get(IMAGE_NAME)
        if name
        else old.digest == entry.digest
        for entry in entries
    )


def _joined(images: Iterable[Saved | SavedIndex]) -> list[Saved | SavedIndex]:
    """Each image once, with all of its names, in the order they were asked for."""
    found: dict[object, Saved | SavedIndex] = {}
    for saved in images:
        if isinstance(saved, SavedIndex):
            key: object = tuple(inner.image.id for inner in saved.images)
        else:
            key = saved.image.id
        before = found.get(key)
        names = (*(before.references if before else ()), *saved.references)
        found[key] = replace(saved, references=tuple(dict.fromkeys(names)))
    return list(found.values())


class _Archive:
    """Documents of an archive in the making; `docker_entries` are `manifest.json`."""

    def __init__(self, blobs: _Blobs, form: Form) -> None:
        self.docker_entries: list[dict[str, Any]] = []
        self._blobs = blobs
        self._types = _Types(form.docker_types)

    def image(self, saved: Saved) -> tuple[Descriptor, ...]:
        entry, document = self._manifest(saved)
        document["RepoTags"] = [name.familiar() for name in saved.references]
        self.docker_entries.append(document)
        return _under_names(entry, saved.references)

    def index(self, saved: SavedIndex) -> tuple[Descriptor, ...]:
        """Docker's `manifest.json` has no indexes: there, the image of this machine
        stands for all."""
        found = [self._manifest(inner) for inner in saved.images]
        documents = {
            inner.image.id: document
            for inner, (_, document) in zip(saved.images, found, strict=True)
        }
        members = [
            Member(str(entry.platform), i)
            for i, (entry, _) in zip(documents, found, strict=True)
        ]
        document = documents[choose(members) or members[0].id]
        document["RepoTags"] = [name.familiar() for name in saved.references]
        self.docker_entries.append(document)
        index = Index(
            tuple(entry for entry, _ in found),
            self._types.index,
            annotations=saved.annotations,
        )
        entry = self._blobs.document(to_json(index), self._types.index)
        entry = replace(entry, annotations=saved.entry_annotations)
        return _under_names(entry, saved.references)

    def _manifest(self, saved: Saved) -> tuple[Descriptor, dict[str, Any]]:
        """The entry of an image, and what `manifest.json` says of it."""
        blobs, image = self._blobs, saved.image
        data = blobs.store.image_config(image.id)
        config = blobs.document(data, self._types.config)
        layers = tuple(
            replace(layer, media_type=self._types.layers[layer.media_type])
            for layer in map(blobs.layer, image.config.diff_ids)
        )
        manifest = Manifest(
            config, layers, self._types.manifest, annotations=saved.annotations
        )
        entry = replace(
            blobs.document(to_json(manifest), self._types.manifest),
            platform=platform_of(image.config),
            annotations=saved.entry_annotations,
        )
        names = [blob_name(layer.digest) for layer in layers]
        return entry, manifest_entry(blob_name(config.digest), names, ())


def _under_names(
    entry: Descriptor, references: tuple[Reference, ...]
) -> tuple[Descriptor, ...]:
    """One entry for each name: an annotation has room for one."""
    if not references:
        return (entry,)
    return tuple(
        replace(
            entry,
            annotations={
                **entry.annotations,
                IMAGE_NAME: str(name),
                REF_NAME: name.tag or "",
            },
        )
        for name in references
    )


class _Blobs:
    """Writes each blob once, and remembers its descriptor.

    What a layer becomes under a compressor is remembered in the store, by the name and
    version of that compressor: a folder that has the blob then needs nothing.
    """

    def __init__(self, store: Store, writer: ArchiveWriter, form: Form) -> None:
        self.store = store
        self._writer = writer
        self._compression = form.compression
        self._level = form.level
        self._written: set[Digest] = set()
        self._layers: dict[Digest, Descriptor] = {}

    def document(self, data: bytes, media_type: str) -> Descriptor:
        digest = Digest.of(data)
        if digest not in self._written:
            self._writer.add(blob_name(digest), data)
            self._written.add(digest)
        return Descriptor(media_type, digest, len(data))

    def layer(self, diff_id: Digest) -> Descriptor:
        """The layer's blob, made from the store's files and verified on the way. Its
        media type is the name of the compression."""
        if diff_id not in self._layers:
            made = self._there(diff_id) or self._make(diff_id)
            self._layers[diff_id] = made
            self._written.add(made.digest)
        return self._layers[diff_id]

    @property
    def _version(self) -> str:
        from lamina.oci.streams.compression import version

        return version(self._compression, self._level)

    def _there(self, diff_id: Digest) -> Descriptor | None:
        """The blob of an earlier time, if the archive has it."""
        known = known_blob(self.store, diff_id, self._version, self._compression)
        if known is None or not self._writer.holds(blob_name(known.digest), known.size):
            return None
        return known

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
                digest = Digest.of_all(seen)
            return blob_name(digest)

        self._writer.add_stream(produce)
        made = Descriptor(self._compression, digest, size)
        remember_blob(self.store, diff_id, self._version, made)
        return made

    def _write_layer(self, diff_id: Digest, write: Write) -> None:
        if self._compression == "none":
            self.store.layer_tar(diff_id, write)
            return
        from lamina.oci.streams.compression import compressor

        squeeze = compressor(self._compression, write, self._level)
        self.store.layer_tar(diff_id, squeeze.write)
        squeeze.close()
