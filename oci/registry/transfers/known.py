"""What the store remembers of registries: memos, which may be lost at any time.

pulled   diff_id -> digest, size and media type of the blob that a layer came as
source   digest of a blob -> registry/repository that had it
name     reference and platform -> ID of the image that it meant when it was pulled
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.manifest import Descriptor
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.platforms import Platform
    from lamina.oci.reference import Reference
    from lamina.oci.store.store import Store


@value
class Home:
    """A repository that has a blob, or had it."""

    registry: str
    repository: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}"


def remember_pulled(store: Store, diff_id: Digest, blob: Descriptor) -> None:
    """A layer came as `blob`."""
    text = f"{blob.digest} {blob.size} {blob.media_type}"
    store.remember("pulled", diff_id, text.encode())


def known_pulled(store: Store, diff_id: Digest) -> Descriptor | None:
    """The blob that a layer came as."""
    data = store.recall("pulled", diff_id)
    if data is None:
        return None
    digest, size, media_type = data.decode().split(" ", 2)
    return Descriptor(media_type, Digest(digest), int(size))


def remember_home(store: Store, digest: Digest, home: Home) -> None:
    """A repository has a blob."""
    store.remember("source", digest, str(home).encode())


def known_home(store: Store, digest: Digest) -> Home | None:
    """Where a blob was seen last."""
    data = store.recall("source", digest)
    if data is None:
        return None
    registry, _, repository = data.decode().partition("/")
    return Home(registry, repository)


def remember_name(
    store: Store, reference: Reference, platform: Platform, identity: Digest
) -> None:
    """What a name means for a platform."""
    store.remember("name", f"{reference} {platform}", identity.encode())


def known_name(store: Store, reference: Reference, platform: Platform) -> Digest | None:
    """The ID of an image in the store that a name meant when it was pulled."""
    data = store.recall("name", f"{reference} {platform}")
    found = Digest(data.decode()) if data is not None else None
    return found if found is not None and store.has_image(found) else None
