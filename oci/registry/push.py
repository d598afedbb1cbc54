"""push: an image of the store to a registry. Layers first, side by side; its manifest
last, so that nobody ever sees an image that is not whole.

A layer that came from a registry goes on as the blob it came as, so that the image
keeps its digest: there already, mounted from a repository nearby, or fetched from
where it was pulled. Others are compressed, which gives the same bytes every time; the
blob is remembered, so that the next push need not even do that.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

from lamina.oci.annotations import INDEX, MANIFEST, MANIFEST_DESCRIPTOR, annotated
from lamina.oci.config import EMPTY
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidArchive
from lamina.oci.image_index import members
from lamina.oci.manifest import (
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
    Index,
    Manifest,
    parse_manifest,
    to_json,
)
from lamina.oci.platforms import platform_of
from lamina.oci.registry.download import Download, check_digest
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.known import (
    Home,
    known_blob,
    known_home,
    known_pulled,
    remember_blob,
    remember_home,
)
from lamina.oci.registry.progress import Ended, Found, Meter, Noted, nothing
from lamina.oci.registry.referrers import publish
from lamina.oci.registry.repository import Fetched, Repository
from lamina.oci.registry.upload import Upload, send_bytes
from lamina.oci.threads import side_by_side
from lamina.oci.workspace import space_error
from lamina.values import replace, value

if TYPE_CHECKING:
    from lamina.oci.reference import Reference
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.session import Session
    from lamina.oci.store import Image, Store
    from lamina.oci.workspace import Workspace

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


def push_index(
    store: Store,
    session: Session,
    identity: Digest,
    reference: Reference,
    options: PushOptions = PushOptions(),  # noqa: B008
    tell: Tell = nothing,
) -> Descriptor:
    """Send an index of the store and all of its images; the index's descriptor."""
    target = session.target(reference)
    entries = []
    for member in members(store, identity):
        image = store.image(member.id)
        fetched = send(store, session, target, image, options, tell)
        publish(target, fetched.digest, fetched)
        notes = annotated(store, image.id).get(MANIFEST_DESCRIPTOR, EMPTY)
        platform = platform_of(image.config)
        entries.append(
            replace(fetched.descriptor, platform=platform, annotations=notes)
        )
    notes = annotated(store, identity).get(INDEX, EMPTY)
    index = Index(tuple(entries), OCI_INDEX, annotations=notes)
    fetched = _fetched(to_json(index), index)
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
        send_bytes(target, image.id, config, threading.Event())
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
        from lamina.oci.compression import version

        self._store = store
        self._session = session
        self._target = target
        self._home = Home(target.endpoint.name, target.name)
        self._workspace = workspace
        self._options = options
        self._kind = _KINDS[options.compression]
        self._version = version(options.compression, options.level)
        self._tell = tell
        self._stop = threading.Event()
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
        remember_home(self._store, blob.digest, self._home)
        self._blobs[diff_id] = blob
        self._tell(Ended(blob.digest, outcome))

    def _as_it_came(self, diff_id: Digest) -> tuple[Descriptor | None, str]:
        """The blob that the layer was pulled as, and how it got there; "" if not."""
        blob = None
        if not self._options.recompress:
            blob = known_pulled(self._store, diff_id)
        if blob is None:
            return None, ""
        outcome, location = self._there(blob)
        if outcome:
            return blob, outcome
        try:
            path = self._fetched(blob)
        except (RegistryError, InvalidArchive) as error:
            self._tell(
                Noted(
                    f"The layer {blob.digest.short} is compressed anew, and the image "
                    f"gets another digest: {error.message}"
                )
            )
            return None, ""
        self._upload(blob, path, location)
        return blob, "pushed"

    def _as_we_make_it(self, diff_id: Digest) -> tuple[Descriptor, str]:
        """The blob that we compress the layer to, and how it got there."""
        blob = known_blob(self._store, diff_id, self._version, self._kind)
        location = ""
        if blob is not None:
            outcome, location = self._there(blob)
            if outcome:
                return blob, outcome
        made, path = self._compressed(diff_id)
        if made != blob:
            remember_blob(self._store, diff_id, self._version, made)
            outcome, location = self._there(made)
            if outcome:
                os.unlink(path)
                return made, outcome
        self._upload(made, path, location)
        return made, "pushed"

    def _there(self, blob: Descriptor) -> tuple[str, str]:
        """How the blob is in the repository without an upload; "" when it is not, and
        then maybe where an upload was begun in trying."""
        size = self._target.blob_size(blob.digest)
        if size in (-1, blob.size):
            return "exists", ""
        home = known_home(self._store, blob.digest)
        if home is None or home == self._home or home.registry != self._home.registry:
            return "", ""
        try:
            location = self._target.mount(blob.digest, home.repository)
        except RegistryError:
            # Not ours to read any more: it is uploaded then.
            return "", ""
        return ("", location) if location else ("mounted", "")

    def _upload(self, blob: Descriptor, path: str, location: str) -> None:
        def opened() -> BinaryIO:
            return open(path, "rb")

        meter = Meter(self._tell, "push", blob.digest, blob.size)
        Upload(self._target, blob, opened, meter, self._stop).send(location)
        if path.startswith(self._workspace.path):
            os.unlink(path)

    def _fetched(self, blob: Descriptor) -> str:
        """The blob as a file: kept in the store, or from where it was pulled."""
        kept = self._store.blob_path(blob.digest)
        if os.path.exists(kept):
            return kept
        home = known_home(self._store, blob.digest)
        if home is None:
            raise RegistryError("where it was pulled is not known any more.")
        source = Repository(
            self._session.endpoint(home.registry), home.repository, "pull"
        )
        path = f"{self._workspace.path}/{blob.digest.hex}.blob"
        save_blob(source, blob, path, self._tell, self._stop)
        return path

    def _compressed(self, diff_id: Digest) -> tuple[Descriptor, str]:
        """The layer compressed into a file of the workspace."""
        from lamina.oci.compression import compressor

        layer = self._store.layer_by_diff_id(diff_id)
        meter = Meter(self._tell, "compress", diff_id, layer.bytes if layer else 0)
        path = f"{self._workspace.path}/{diff_id.hex}.blob"
        seen, size = hashlib.sha256(), 0
        with open(path, "xb") as file:

            def write(data: bytes) -> None:
                nonlocal size
                size += len(data)
                seen.update(data)
                try:
                    file.write(data)
                except OSError as error:
                    raise space_error(error, self._store.root) from error

            squeeze = compressor(self._options.compression, write, self._options.level)

            def squeezed(data: bytes) -> None:
                meter.add(len(data))
                squeeze.write(data)

            self._store.layer_tar(diff_id, squeezed)
            squeeze.close()
        self._tell(Ended(diff_id, "compressed"))
        digest = Digest("sha256:" + seen.hexdigest())
        return Descriptor(self._kind, digest, size), path


def save_blob(
    source: Repository, blob: Descriptor, path: str, tell: Tell, stop: threading.Event
) -> None:
    """Write a blob of a registry to the new file `path`, verified.

    Raises RegistryError, DigestMismatch, StoreError on a full disk.
    """
    download = Download(source, blob, Meter(tell, "pull", blob.digest, blob.size), stop)
    seen = hashlib.sha256()
    try:
        with open(path, "xb") as file:
            while data := download.read(1 << 20):
                seen.update(data)
                file.write(data)
        check_digest(blob, Digest("sha256:" + seen.hexdigest()))
    except (RegistryError, DigestMismatch):
        os.unlink(path)
        raise
    except OSError as error:
        raise space_error(error, path) from error
    finally:
        download.close()
