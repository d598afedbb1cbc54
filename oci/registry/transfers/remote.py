"""Remote images: the documents of images at registries, verified, without layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from lamina.oci.archives.archived import check_count
from lamina.oci.config_json import parse_config
from lamina.oci.manifest import CONFIGS, LAYERS, Manifest, is_image, select
from lamina.oci.registry.transfers.download import read_small
from lamina.oci.registry.transfers.sources import first_sound
from lamina.oci.strict_json import MAX_DOCUMENT, broken
from lamina.values import replace, value

if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor
    from lamina.oci.platforms import Platform
    from lamina.oci.reference import Reference
    from lamina.oci.registry.fetched import Fetched
    from lamina.oci.registry.repository import Repository
    from lamina.oci.registry.session import Session

    Sources = tuple[Repository, ...]

T = TypeVar("T")

_MAX_NESTING = 4


@value
class RemoteImage:
    """An image at a registry: its documents, verified, and who has its blobs.

    `platform` is what an index says that it is for."""

    root: Fetched
    manifest: Manifest
    manifest_bytes: bytes
    config: ImageConfig
    config_bytes: bytes
    sources: tuple[Repository, ...]
    platform: Platform | None = None

    @property
    def id(self) -> Digest:
        return self.manifest.config.digest


def look_up(
    session: Session, reference: Reference, platform: Platform | None = None
) -> RemoteImage:
    """The documents of the image for `platform`, without its layers."""

    def chosen(root: Fetched, sources: Sources) -> RemoteImage:
        found = root
        for _ in range(_MAX_NESTING):
            if isinstance(found.document, Manifest):
                return _image(root, found, found.document, sources)
            entry = select(found.document, platform)
            found = _entry(sources[0], entry)
        raise broken(f"the indexes are nested over {_MAX_NESTING} deep")

    return _asked(session, reference, chosen)


def look_up_all(session: Session, reference: Reference) -> tuple[RemoteImage, ...]:
    """As `look_up`, the images for all platforms, at least one."""

    def every(root: Fetched, sources: Sources) -> tuple[RemoteImage, ...]:
        found = tuple(_images(root, root, None, sources, 0, set()))
        if not found:
            raise broken("the index has no image")
        return found

    return _asked(session, reference, every)


def _asked(
    session: Session, reference: Reference, read: Callable[[Fetched, Sources], T]
) -> T:
    """What `read` makes of the first answer that is as it should be."""
    name = reference.digest or reference.tag or ""
    return first_sound(
        session.sources(reference), lambda left: read(left[0].manifest(name), left)
    )


def _images(
    root: Fetched,
    found: Fetched,
    platform: Platform | None,
    sources: Sources,
    depth: int,
    seen: set[tuple[Digest, Platform | None]],
) -> Iterator[RemoteImage]:
    """All images that `found`, which `root` leads to, leads to, each once: a small
    index may name the same things by the million."""
    document = found.document
    if isinstance(document, Manifest):
        image = _image(root, found, document, sources)
        yield replace(image, platform=platform)
        return
    if depth >= _MAX_NESTING:
        raise broken(f"the indexes are nested over {_MAX_NESTING} deep")
    for entry in document.manifests:
        this = (entry.digest, entry.platform)
        if is_image(entry) and this not in seen:
            seen.add(this)
            inner = _entry(sources[0], entry)
            yield from _images(root, inner, entry.platform, sources, depth + 1, seen)


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
    sources: Sources,
) -> RemoteImage:
    check_is_image(manifest)
    data = read_small(sources[0], manifest.config, MAX_DOCUMENT, "The image's config")
    config = parse_config(data)
    check_count(config, len(manifest.layers))
    return RemoteImage(root, manifest, found.data, config, data, sources)


def check_is_image(manifest: Manifest) -> None:
    """Raise InvalidImage for other artifacts than images."""
    if manifest.config.media_type not in CONFIGS:
        kind = manifest.artifact_type or manifest.config.media_type
        raise broken(f"this is no image but an artifact of the kind {kind[:80]!r}")
    for layer in manifest.layers:
        if layer.media_type not in LAYERS:
            raise broken(f"a layer is of the kind {layer.media_type[:80]!r}")
