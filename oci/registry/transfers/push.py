"""push: an image of the store to a registry. Layers first, side by side; its manifest
last, so that nobody ever sees an image that is not whole.

A layer that came from a registry goes on as the blob it came as, so that the image
keeps its digest: there already, mounted from a repository nearby, or fetched from
where it was pulled. Others are compressed, which gives the same bytes every time; the
blob is remembered, so that the next push need not even do that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidArchive
from lamina.oci.files.hashed_file import write_file
from lamina.oci.manifest import (
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
    Index,
    Manifest,
)
from lamina.oci.manifest_json import parse_manifest, to_json
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.fetched import Fetched
from lamina.oci.registry.progress import Ended, Found, Meter, Noted, nothing
from lamina.oci.registry.repository import Repository
from lamina.oci.registry.transfers.known import known_pulled, remember_home
from lamina.oci.registry.transfers.referrers import publish
from lamina.oci.registry.transfers.sender import Sender
from lamina.oci.registry.transfers.upload import send_bytes
from lamina.oci.store.annotations import (
    MANIFEST,
    annotated,
)
from lamina.oci.store.blobs import known_blob, remember_blob
from lamina.oci.threads import NEVER, Stop, side_by_side
from lamina.values import EMPTY, replace, value

if TYPE_CHECKING:
    from lamina.oci.files.hashed_file import Write
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.reference import Reference
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Image, Store

# How many layers at a time.
JOBS = 4
_KINDS = {"gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD, "none": OCI_LAYER}
# What Docker's names for layers are called in an OCI manifest.
_AS_OCI = {
    DOCKER_LAYER_GZIP: OCI_LAYER_GZIP,
    DOCKER_LAYER: OCI_LAYER,
    DOCKER_LAYER + ".zstd": OCI_LAYER_ZSTD,
}


@value
class PushOptions:
    """`compression` of layers that were never in a registry: gzip, zstd, none; with
    `recompress` of all. `level` None is the compression's own."""

    compression: str = "gzip"
    level: int | None = None
    recompress: bool = False


def push(
    store: Store,
    session: Session,
    image: Image,
    reference: Reference,
    options: PushOptions = PushOptions(),  # noqa: B008
    tell: Tell = nothing,
) -> Descriptor:
    """Send `image` to be `reference`; the descriptor of its manifest there.

    What the store keeps as its annotations goes into it. Raises RegistryError,
    NotFound, and DigestMismatch when the store is damaged.
    """
    target = session.target(reference)
    fetched = send(store, session, target, image, options, tell)
    publish(target, reference.tag or fetched.digest, fetched)
    tell(Found(reference.familiar(), fetched.digest))
    return fetched.descriptor


def send(
    store: Store,
    session: Session,
    target: Repository,
    image: Image,
    options: PushOptions,
    tell: Tell,
) -> Fetched:
    """Send all of an image but its manifest, which is returned."""
    with store.workspace() as workspace:
        layers = _Layers(store, session, target, workspace, options, tell)
        blobs = layers.push(image)
        config = store.image_config(image.id)
        send_bytes(target, image.id, config, NEVER)
    fetched = _manifest(store, image, blobs, len(config))
    if store.image_manifest(image.id) is None:
        store.put_image_bytes(config, image.layers, fetched.data)
    return fetched


def _manifest(
    store: Store,
    image: Image,
    blobs: Mapping[Digest, Descriptor],
    config_size: int,
) -> Fetched:
    """The manifest that the image came with, if its blobs are the same; else ours."""
    layers = tuple(blobs[diff_id] for diff_id in image.config.diff_ids)
    came = store.image_manifest(image.id)
    notes = annotated(store, image.id).get(MANIFEST, EMPTY)
    if came is not None:
        document = parse_manifest(came)
        assert isinstance(document, Manifest)
        same = [b.digest for b in document.layers] == [b.digest for b in layers]
        if same and notes in (EMPTY, document.annotations):
            return _fetched(came, document)
    layers = tuple(
        replace(blob, media_type=_AS_OCI.get(blob.media_type, blob.media_type))
        for blob in layers
    )
    config = Descriptor(OCI_CONFIG, image.id, config_size)
    made = Manifest(config, layers, annotations=notes)
    return _fetched(to_json(made), made)


def _fetched(data: bytes, document: Manifest | Index) -> Fetched:
    found = Descriptor(document.media_type, Digest.of(data), len(data))
    return Fetched(data, found, document)


class _Layers:
    """The layers of one image on their way to a repository."""

    def __init__(
        self,
        store: Store,
        session: Session,
        target: Repository,
        workspace: Workspace,
        options: PushOptions,
        tell: Tell,
    ) -> None:
        from lamina.oci.streams.compression import version

        self._store = store
        self._workspace = workspace
        self._options = options
        self._kind = _KINDS[options.compression]
        self._version = version(options.compression, options.level)
        self._tell = tell
        self._stop = Stop()
        self._sender = Sender(store, session, target, workspace, tell, self._stop)
        self._blobs: dict[Digest, Descriptor] = {}

    def push(self, image: Image) -> Mapping[Digest, Descriptor]:
        """All of them; the blob at the registry for each diff_id."""
        wanted = dict.fromkeys(image.config.diff_ids)
        side_by_side(self._one, wanted, JOBS, self._stop)
        return self._blobs

    def _one(self, diff_id: Digest) -> None:
        blob, outcome = self._as_it_came(diff_id)
        if not outcome:
            blob, outcome = self._as_we_make_it(diff_id)
        assert blob is not None
        remember_home(self._store, blob.digest, self._sender.home)
        self._blobs[diff_id] = blob
        self._tell(Ended(blob.digest, outcome))

    def _as_it_came(self, diff_id: Digest) -> tuple[Descriptor | None, str]:
        """The blob that the layer was pulled as, and how it got there; "" if not."""
        blob = None
        if not self._options.recompress:
            blob = known_pulled(self._store, diff_id)
        if blob is None:
            return None, ""
        outcome, location = self._sender.there(blob)
        if outcome:
            return blob, outcome
        try:
            path = self._sender.fetch(blob)
        except (RegistryError, InvalidArchive) as error:
            self._tell(
                Noted(
                    f"The layer {blob.digest.short} is compressed anew, and the image "
                    f"gets another digest: {error.message}"
                )
            )
            return None, ""
        self._sender.upload(blob, path, location)
        return blob, "pushed"

    def _as_we_make_it(self, diff_id: Digest) -> tuple[Descriptor, str]:
        """The blob that we compress the layer to, and how it got there."""
        blob = known_blob(self._store, diff_id, self._version, self._kind)
        location = ""
        if blob is not None:
            outcome, location = self._sender.there(blob)
            if outcome:
                return blob, outcome
        made, path = self._compressed(diff_id)
        if made != blob:
            remember_blob(self._store, diff_id, self._version, made)
            outcome, location = self._sender.there(made)
            if outcome:
                os.unlink(path)
                return made, outcome
        self._sender.upload(made, path, location)
        return made, "pushed"

    def _compressed(self, diff_id: Digest) -> tuple[Descriptor, str]:
        """The layer compressed into a file of the workspace."""
        from lamina.oci.streams.compression import compressor

        layer = self._store.layer_by_diff_id(diff_id)
        meter = Meter(self._tell, "compress", diff_id, layer.bytes if layer else 0)
        path = f"{self._workspace.path}/{diff_id.hex}.blob"
        options = self._options

        def produce(write: Write) -> None:
            squeeze = compressor(options.compression, write, options.level)

            def squeezed(data: bytes) -> None:
                self._stop.check()
                meter.add(len(data))
                squeeze.write(data)

            self._store.layer_tar(diff_id, squeezed)
            squeeze.close()

        digest, size = write_file(path, produce)
        self._tell(Ended(diff_id, "compressed"))
        return Descriptor(self._kind, digest, size), path
