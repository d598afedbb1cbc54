"""push_index: the images for several platforms to a registry, and then their index.

An index that came from a registry goes on as it came, with what BuildKit attested of
its images; where that cannot be had any more, or an image has changed, one is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidImage
from lamina.oci.manifest import OCI_INDEX, Descriptor, Index, Manifest, is_image
from lamina.oci.manifest_json import parse_manifest, to_json
from lamina.oci.platforms import platform_of
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.fetched import Fetched
from lamina.oci.registry.progress import Ended, Found, Noted, nothing
from lamina.oci.registry.transfers.known import Home, known_home, remember_home
from lamina.oci.registry.transfers.push import PushOptions, send
from lamina.oci.registry.transfers.referrers import publish
from lamina.oci.registry.transfers.sender import Sender, repository_at
from lamina.oci.store.annotations import INDEX, MANIFEST_DESCRIPTOR, annotated
from lamina.oci.store.image_index import members, source_of
from lamina.values import EMPTY, replace

if TYPE_CHECKING:
    from lamina.oci.reference import Reference
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.repository import Repository
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Store


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
        entries.append(
            replace(
                fetched.descriptor,
                platform=platform_of(image.config),
                annotations=annotated(store, image.id).get(MANIFEST_DESCRIPTOR, EMPTY),
            )
        )
    made = Index(
        tuple(entries),
        OCI_INDEX,
        annotations=annotated(store, identity).get(INDEX, EMPTY),
    )
    found = _Source(store, session, target, tell).send(identity, made)
    if found is None:
        data = to_json(made)
        found = Fetched(data, Descriptor(OCI_INDEX, Digest.of(data), len(data)), made)
    publish(target, reference.tag or found.digest, found)
    tell(Found(reference.familiar(), found.digest))
    return found.descriptor


class _Source:
    """The index as it came, and what goes with it."""

    def __init__(
        self, store: Store, session: Session, target: Repository, tell: Tell
    ) -> None:
        self._store = store
        self._session = session
        self._target = target
        self._tell = tell

    def send(self, identity: Digest, made: Index) -> Fetched | None:
        """It, when all that it lists is at the target now; None when `made` has
        to stand for it."""
        data = source_of(self._store, identity)
        if data is None:
            return None
        document = parse_manifest(data)
        assert isinstance(document, Index), "it was one when it came"
        there = {entry.digest: entry for entry in made.manifests}
        if made.annotations not in (EMPTY, document.annotations) or any(
            entry.annotations for entry in there.values()
        ):
            return None
        others = [entry for entry in document.manifests if entry.digest not in there]
        if any(is_image(entry) for entry in others):
            return None
        digest = Digest.of(data)
        home = known_home(self._store, digest)
        try:
            for entry in others:
                self._carry(entry, home)
        except (RegistryError, InvalidImage) as error:
            self._tell(
                Noted(
                    "What was attested of the images stays behind, and the index gets "
                    f"another digest: {error.message}"
                )
            )
            return None
        own = Home(self._target.endpoint.name, self._target.name)
        remember_home(self._store, digest, own)
        return Fetched(
            data, Descriptor(document.media_type, digest, len(data)), document
        )

    def _carry(self, entry: Descriptor, home: Home | None) -> None:
        """A manifest that the store has not, from where the index came."""
        if home is None:
            raise RegistryError("where it was pulled is not known any more.")
        found = repository_at(self._session, home).manifest(entry.digest)
        if not isinstance(found.document, Manifest):
            raise RegistryError("it is an index of its own.")
        with self._store.workspace() as workspace:
            sender = Sender(
                self._store, self._session, self._target, workspace, self._tell
            )
            for blob in (found.document.config, *found.document.layers):
                outcome, location = sender.there(blob, home)
                if not outcome:
                    sender.upload(blob, sender.fetch(blob, home), location)
                self._tell(Ended(blob.digest, outcome or "pushed"))
        publish(self._target, found.digest, found)
