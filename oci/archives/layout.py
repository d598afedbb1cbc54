"""OCI image layout: `oci-layout`, `index.json`, and blobs named by their digests.

OCI image-spec, image-layout.md. In a folder or a tar, the same files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.archives.archived import ArchivedImage, ArchivedLayer, check_count
from lamina.oci.archives.members import read_member
from lamina.oci.config_json import parse_config
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidArchive, InvalidReference, NotFound
from lamina.oci.manifest import (
    CONFIGS,
    INDEXES,
    LAYERS,
    MANIFESTS,
    REF_NAME,
    Descriptor,
    Index,
    Manifest,
    is_image,
    select,
)
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.strict_json import MAX_DOCUMENT, broken, parse_object, text_of
from lamina.values import replace

if TYPE_CHECKING:
    from lamina.oci.archives.members import Members
    from lamina.oci.platforms import Platform

LAYOUT = "oci-layout"
INDEX = "index.json"
BLOBS = "blobs/sha256/"
LAYOUT_JSON = b'{"imageLayoutVersion":"1.0.0"}'
# The whole name, as containerd, BuildKit and Docker write it: `ref.name` is a tag
# to some, a name to others.
IMAGE_NAME = "io.containerd.image.name"
_MAX_NESTING = 4


def read_layout(
    members: Members,
    name: str = "",
    platform: Platform | None = None,
    *,
    whole: bool = False,
) -> tuple[ArchivedImage, ...]:
    """The images of the layout, for `platform` where there are several.

    With `whole` an index gives all of its images that are there. `name` chooses those
    that bear it, as a tag or as a whole reference, or the one of a digest. Raises
    InvalidArchive, InvalidImage, and NotFound when nothing is left.
    """
    version = text_of(
        parse_object(read_member(members, LAYOUT, MAX_DOCUMENT), LAYOUT),
        "imageLayoutVersion",
        LAYOUT,
    )
    if version.partition(".")[0] != "1":
        raise broken(f"the layout is of version {version[:20]!r}, not 1")
    index = parse_manifest(read_member(members, INDEX, MAX_DOCUMENT))
    if not isinstance(index, Index):
        raise broken("index.json is not an index")
    if name.startswith("sha256:"):
        entries = _of_digest(members, index, Digest.parse(name))
    else:
        entries = [
            entry
            for entry in index.manifests
            if (bears(entry, name) if name else not _refers(members, entry))
        ]
    if not entries:
        raise _nothing(index, name)
    images: dict[tuple[Digest, bytes | None], ArchivedImage] = {}
    for entry in entries:
        found = _members_of(members, entry) if whole else ()
        for image in found or (_image(members, entry, platform, 0),):
            references = _references(entry)
            key = (image.id, image.index)
            if key in images:
                references = (*images[key].references, *references)
            images[key] = replace(image, references=references)
    return tuple(images.values())


def _of_digest(members: Members, index: Index, wanted: Digest) -> list[Descriptor]:
    """The entry of that digest, in the index or in one that it lists."""
    for entry in index.manifests:
        if entry.digest == wanted:
            return [entry]
    for entry in index.manifests:
        if entry.media_type in INDEXES and blob_name(entry.digest) in members:
            inner = parse_manifest(_document(members, entry), entry.media_type)
            assert isinstance(inner, Index), "its media type says so"
            found = [known for known in inner.manifests if known.digest == wanted]
            if found:
                return found
    return []


def _refers(members: Members, entry: Descriptor) -> bool:
    """Whether an entry without a name is there for another one, as a signature."""
    if REF_NAME in entry.annotations or IMAGE_NAME in entry.annotations:
        return False
    manifest = parse_manifest(_document(members, entry), entry.media_type)
    return manifest.subject is not None


def is_whole(members: Members) -> bool:
    """Whether the layout has an index of several images that are there."""
    index = parse_manifest(read_member(members, INDEX, MAX_DOCUMENT))
    return isinstance(index, Index) and any(
        len(_present(members, entry)[1]) > 1 for entry in index.manifests
    )


def _members_of(members: Members, entry: Descriptor) -> tuple[ArchivedImage, ...]:
    """The images of an index of several; none when `entry` leads to just one."""
    data, found = _present(members, entry)
    if len(found) < 2:
        return ()
    return tuple(
        replace(
            _image(members, inner, None, 1), index=data, platform=str(inner.platform)
        )
        for inner in found
    )


def _present(members: Members, entry: Descriptor) -> tuple[bytes, list[Descriptor]]:
    """An index, and its entries for platforms that the archive has."""
    if entry.media_type not in INDEXES:
        return b"", []
    data = _document(members, entry)
    index = parse_manifest(data, entry.media_type)
    assert isinstance(index, Index), "its media type says so"
    found = [
        inner
        for inner in index.manifests
        if inner.platform is not None
        and is_image(inner)
        and inner.media_type in MANIFESTS
        and blob_name(inner.digest) in members
    ]
    return data, found


def _nothing(index: Index, name: str) -> NotFound | InvalidArchive:
    if not name:
        return InvalidArchive("The archive holds no image: its index is empty.")
    there = sorted(
        {n for e in index.manifests if (n := e.annotations.get(REF_NAME, ""))}
    )
    return NotFound(
        f"The layout has no image {name!r}.",
        hint=f"It has {', '.join(there[:12])}." if there else "It has no names at all.",
    )


def bears(entry: Descriptor, name: str) -> bool:
    """Whether an entry of the index goes by `name`: a tag, a reference, a digest."""
    names = (entry.annotations.get(REF_NAME), entry.annotations.get(IMAGE_NAME))
    if name in names or name == entry.digest:
        return True
    try:
        return parse_reference(name) in _references(entry)
    except InvalidReference:
        return False


def _references(entry: Descriptor) -> tuple[Reference, ...]:
    """The whole name, if the entry has one; a bare tag names nothing."""
    whole = entry.annotations.get(IMAGE_NAME, "")
    if not whole:
        name = entry.annotations.get(REF_NAME, "")
        whole = name if "/" in name or ":" in name else ""
    if not whole:
        return ()
    reference = parse_reference(whole)
    return (reference,) if reference.tag is not None else ()


def _image(
    members: Members, entry: Descriptor, platform: Platform | None, depth: int
) -> ArchivedImage:
    """The image that `entry` leads to, through indexes to one of this platform."""
    if depth > _MAX_NESTING:
        raise broken(f"the layout's indexes are nested over {_MAX_NESTING} deep")
    data = _document(members, entry)
    found = parse_manifest(data, entry.media_type)
    if isinstance(found, Index):
        return _image(members, select(found, platform), platform, depth + 1)
    return _archived(members, found, data)


def _archived(members: Members, manifest: Manifest, data: bytes) -> ArchivedImage:
    if manifest.config.media_type not in CONFIGS:
        raise broken(
            f"the layout holds no image but {manifest.config.media_type[:80]!r}"
        )
    config_bytes = _document(members, manifest.config)
    config = parse_config(config_bytes)
    check_count(config, len(manifest.layers))
    for layer in manifest.layers:
        if layer.media_type not in LAYERS:
            raise broken(f"a layer is of the kind {layer.media_type[:80]!r}")
    layers = tuple(
        ArchivedLayer(blob_name(layer.digest), diff_id, layer.digest, layer.size)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    )
    identity = Digest.of(config_bytes)
    return ArchivedImage(identity, config, config_bytes, layers, (), data)


def _document(members: Members, descriptor: Descriptor) -> bytes:
    """A small blob, of the size and the digest that its descriptor says."""
    if descriptor.data is not None:
        return descriptor.data
    name = blob_name(descriptor.digest)
    data = read_member(members, name, MAX_DOCUMENT)
    if len(data) != descriptor.size or Digest.of(data) != descriptor.digest:
        raise DigestMismatch(
            f"{name!r} in the archive is not what its name says: it has "
            f"{len(data)} bytes and the digest {Digest.of(data)}.",
            hint="The archive is damaged; save or download it again.",
        )
    return data


def blob_name(digest: Digest) -> str:
    """Where a layout has the blob of a digest."""
    return f"{BLOBS}{digest.hex}"
