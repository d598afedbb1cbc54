"""pull: from a registry into the store. Nothing enters it that was not verified.

Index, manifest and config are small and come first; then the layers, side by side,
each from the network through its digest, its decompression and its diff_id straight
into files. A layer that is here already is not asked for, and one that another
process is just pulling is waited for.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lamina.oci.archives.unpack import unpack_tar
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidArchive
from lamina.oci.manifest import Manifest
from lamina.oci.platforms import (
    Member,
    Platform,
    choose,
    host_platform,
    normalise,
    platform_of,
)
from lamina.oci.registry.progress import Ended, Found, Meter, Noted, nothing
from lamina.oci.registry.transfers.download import Download, check_digest
from lamina.oci.registry.transfers.known import (
    Home,
    remember_home,
    remember_name,
    remember_pulled,
)
from lamina.oci.registry.transfers.remote import look_up, look_up_all
from lamina.oci.registry.transfers.sources import first_sound
from lamina.oci.store.image_index import put_index
from lamina.oci.streams.stream import Source, digested
from lamina.oci.threads import Stop, side_by_side
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.archives.unpack import Unpacked
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.manifest import Descriptor
    from lamina.oci.reference import Reference
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.repository import Repository
    from lamina.oci.registry.session import Session
    from lamina.oci.registry.transfers.remote import RemoteImage
    from lamina.oci.store.store import Image, Store

# How many layers at a time, as Docker.
JOBS = 3


@value
class Pulled:
    """An image that is in the store now; `digest` is what its name means at the
    registry; `fresh` says that it was not here before. `index` is the ID of all its
    images for several platforms, where all of them were pulled."""

    image: Image
    digest: Digest
    fresh: bool
    index: Digest | None = None

    @property
    def id(self) -> Digest:
        """What the name is to mean in the store."""
        return self.index or self.image.id


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
    image = _fetch(store, remote, reference, tell)
    remember_name(store, reference, wanted, image.id)
    return Pulled(image, remote.root.digest, fresh)


def pull_all(
    store: Store, session: Session, reference: Reference, tell: Tell = nothing
) -> Pulled:
    """As `pull`, with the images for all platforms, and an index of them.

    What is no image, such as BuildKit's attestations, stays where it is; it goes along
    when the index is pushed. A name of one image means just that.
    """
    remotes = look_up_all(session, reference)
    root = remotes[0].root
    tell(Found(reference.familiar(), root.digest))
    fresh = not all(store.has_image(remote.id) for remote in remotes)
    found = []
    for remote in remotes:
        image = _fetch(store, remote, reference, tell)
        wanted = remote.platform or platform_of(image.config)
        remember_name(store, reference, normalise(wanted), image.id)
        found.append(Member(str(wanted), image.id))
    chosen = choose(found) or found[0].id
    image = store.image(chosen)
    if len(found) < 2:
        return Pulled(image, root.digest, fresh)
    index = put_index(store, found, root.data)
    remember_home(store, root.digest, Home(reference.registry, reference.repository))
    return Pulled(image, root.digest, fresh, index)


def _fetch(
    store: Store, remote: RemoteImage, reference: Reference, tell: Tell
) -> Image:
    """Have the layers, and then the image."""
    home = Home(reference.registry, reference.repository)
    with store.workspace() as workspace:
        _Layers(store, workspace, remote, home, tell).pull()
        contents = []
        for diff_id in remote.config.diff_ids:
            layer = store.layer_by_diff_id(diff_id)
            assert layer is not None, f"{diff_id} was just pulled"
            contents.append(layer.content)
        return store.put_image_bytes(
            remote.config_bytes, contents, remote.manifest_bytes
        )


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
        self._stop = Stop()

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
        first_sound(
            self._remote.sources,
            lambda left: self._from(
                left[0], diff_id, blob, f"{diff_id.hex}-{len(left)}"
            ),
        )

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
        check_digest(blob, Digest.of_all(seen))
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

        return unpack_tar(self._store, read, self._workspace, name, attested=True)


def _explain(
    error: InvalidArchive, stream: Source, blob: Descriptor, seen: hashlib._Hash
) -> None:
    """Wrong bytes rarely unpack: that the digest is wrong is then the better news."""
    if isinstance(error, DigestMismatch):
        return
    while stream.rest(1 << 20):
        pass
    check_digest(blob, Digest.of_all(seen))
