"""pull: from a registry into the store. Nothing enters it that was not verified.

Index, manifest and config are small and come first; then the layers, side by side,
each from the network through its digest, its decompression and its diff_id straight
into files. A layer that is here already is not asked for, and one that another
process is just pulling is waited for.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from lamina.oci.archived import check_count
from lamina.oci.config_json import parse_config
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidArchive
from lamina.oci.manifest import CONFIGS, LAYERS, Index, Manifest, select
from lamina.oci.platforms import Platform, host_platform, normalise
from lamina.oci.registry.download import Download, check_digest, read_small
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.known import (
    Home,
    remember_home,
    remember_name,
    remember_pulled,
)
from lamina.oci.registry.progress import Ended, Found, Meter, Noted, nothing
from lamina.oci.stream import Source, digested
from lamina.oci.strict_json import MAX_DOCUMENT, broken
from lamina.oci.threads import side_by_side
from lamina.oci.unpack import unpack_tar
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.oci.manifest import Descriptor
    from lamina.oci.reference import Reference
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.repository import Fetched, Repository
    from lamina.oci.registry.session import Session
    from lamina.oci.store import Image, Store
    from lamina.oci.unpack import Unpacked
    from lamina.oci.workspace import Workspace

_MAX_NESTING = 4
# How many layers at a time, as Docker.
JOBS = 3


@value
class Pulled:
    """An image that is in the store now; `digest` is what its name means at the
    registry; `fresh` says that it was not here before."""

    image: Image
    digest: Digest
    fresh: bool


@value
class RemoteImage:
    """An image at a registry: its documents, verified, and who has its blobs."""

    root: Fetched
    manifest: Manifest
    manifest_bytes: bytes
    config: ImageConfig
    config_bytes: bytes
    sources: tuple[Repository, ...]

    @property
    def id(self) -> Digest:
        return self.manifest.config.digest


def pull(
    store: Store,
    session: Session,
    reference: Reference,
    platform: Platform | None = None,
    tell: Tell = nothing,
) -> Pulled:
    """Bring the image `reference` into the store; its name is not given to it.

    `platform` chooses from an index, the host's by default. Raises RegistryError,
    InvalidImage, InvalidArchive; the store has then at most some sound layers more.
    """
    wanted = platform or host_platform()
    remote = look_up(session, reference, platform)
    tell(Found(reference.familiar(), remote.root.digest))
    _check_platform(remote, wanted, tell)
    fresh = not store.has_image(remote.id)
    with store.workspace() as workspace:
        home = Home(reference.registry, reference.repository)
        _Layers(store, workspace, remote, home, tell).pull()
        contents = []
        for diff_id in remote.config.diff_ids:
            layer = store.layer_by_diff_id(diff_id)
            assert layer is not None, f"{diff_id} was just pulled"
            contents.append(layer.content)
        image = store.put_image_bytes(
            remote.config_bytes, contents, remote.manifest_bytes
        )
    remember_name(store, reference, wanted, image.id)
    return Pulled(image, remote.root.digest, fresh)


def look_up(
    session: Session, reference: Reference, platform: Platform | None = None
) -> RemoteImage:
    """The documents of an image, without its layers."""
    sources = session.sources(reference)
    name = reference.digest or reference.tag or ""
    for number, source in enumerate(sources):
        try:
            return _documents(source.manifest(name), sources[number:], platform)
        except (RegistryError, DigestMismatch):
            # A mirror may lack it, be down, or be wrong; the registry decides.
            if number == len(sources) - 1:
                raise
    raise AssertionError("a registry is its own last source")


def _documents(
    root: Fetched, sources: tuple[Repository, ...], platform: Platform | None
) -> RemoteImage:
    found = root
    for _ in range(_MAX_NESTING):
        document = found.document
        if isinstance(document, Manifest):
            return _image(root, found, document, sources)
        assert isinstance(document, Index)
        found = _entry(sources[0], select(document, platform))
    raise broken(f"the indexes are nested over {_MAX_NESTING} deep")


def _entry(source: Repository, entry: Descriptor) -> Fetched:
    found = source.manifest(entry.digest)
    if len(found.data) != entry.size:
        raise broken(
            f"the manifest {entry.digest} has not the size that its index says"
        )
    return found


def _image(
    root: Fetched,
    found: Fetched,
    manifest: Manifest,
    sources: tuple[Repository, ...],
) -> RemoteImage:
    if manifest.config.media_type not in CONFIGS:
        kind = manifest.artifact_type or manifest.config.media_type
        raise broken(f"this is no image but an artifact of the kind {kind[:80]!r}")
    for layer in manifest.layers:
        if layer.media_type not in LAYERS:
            raise broken(f"a layer is of the kind {layer.media_type[:80]!r}")
    data = read_small(sources[0], manifest.config, MAX_DOCUMENT, "The image's config")
    config = parse_config(data)
    check_count(config, len(manifest.layers))
    return RemoteImage(root, manifest, found.data, config, data, sources)


def _check_platform(remote: RemoteImage, wanted: Platform, tell: Tell) -> None:
    """A single image is taken as it is, as Docker takes it; but that is said."""
    config = remote.config
    is_image = isinstance(remote.root.document, Manifest)
    has = normalise(Platform(config.os, config.architecture, config.variant))
    if is_image and (has.os, has.architecture) != (wanted.os, wanted.architecture):
        tell(Noted(f"The image is for {has}, and there is none for {wanted}."))


class _Layers:
    """The layers of one image on their way into the store."""

    def __init__(
        self,
        store: Store,
        workspace: Workspace,
        remote: RemoteImage,
        home: Home,
        tell: Tell,
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._remote = remote
        self._home = home
        self._tell = tell
        self._stop = threading.Event()

    def pull(self) -> None:
        """All of them; the first error ends all, and is raised."""
        pairs = zip(
            self._remote.config.diff_ids, self._remote.manifest.layers, strict=True
        )
        wanted = dict(pairs)
        side_by_side(self._one, wanted.items(), JOBS, self._stop)

    def _one(self, wanted: tuple[Digest, Descriptor]) -> None:
        diff_id, blob = wanted
        store, outcome = self._store, "exists"
        with store.alone(f"layer-{diff_id}", self._stop.is_set):
            if store.layer_by_diff_id(diff_id) is None:
                self._fetch(diff_id, blob)
                remember_pulled(store, diff_id, blob)
                remember_home(store, blob.digest, self._home)
                outcome = "pulled"
        self._tell(Ended(blob.digest, outcome))

    def _fetch(self, diff_id: Digest, blob: Descriptor) -> None:
        """The layer from the first source that has it as it should be."""
        sources = self._remote.sources
        for number, source in enumerate(sources):
            try:
                self._from(source, diff_id, blob, f"{diff_id.hex}-{number}")
                return
            except (RegistryError, InvalidArchive):
                if number == len(sources) - 1:
                    raise

    def _from(
        self, source: Repository, diff_id: Digest, blob: Descriptor, name: str
    ) -> None:
        meter = Meter(self._tell, "pull", blob.digest, blob.size)
        download = Download(source, blob, meter, self._stop)
        seen = hashlib.sha256()
        chunks = digested(download.read, seen)
        stream = Source(chunks)
        try:
            unpacked = self._unpacked(stream, name)
            # What follows the compressed data is part of the blob, too.
            while stream.rest(1 << 20):
                pass
        except InvalidArchive as error:
            _explain(error, stream, blob, seen)
            raise
        finally:
            chunks.close()
            download.close()
        check_digest(blob, Digest("sha256:" + seen.hexdigest()))
        if unpacked.layer.diff_id != diff_id:
            raise DigestMismatch(
                f"The layer {blob.digest} has the diff_id {unpacked.layer.diff_id}, "
                f"the image's config says {diff_id}.",
                hint="Whoever pushed the image has to push it again.",
            )
        self._store.publish_layer(unpacked.directory, unpacked.layer, unpacked.skeleton)

    def _unpacked(self, stream: Source, name: str) -> Unpacked:
        def read(size: int) -> bytes:
            return bytes(stream.rest(size))

        return unpack_tar(self._store, read, self._workspace, name)


def _explain(
    error: InvalidArchive, stream: Source, blob: Descriptor, seen: hashlib._Hash
) -> None:
    """Wrong bytes rarely unpack: that the digest is wrong is then the better news."""
    if isinstance(error, DigestMismatch):
        return
    while stream.rest(1 << 20):
        pass
    check_digest(blob, Digest("sha256:" + seen.hexdigest()))
