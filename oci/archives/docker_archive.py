"""docker-archive: what `docker save` writes, in its three forms.

`manifest.json` lists the images; up to Docker 24 layers are `HEX/layer.tar` (podman:
`HEX.tar`, with links), since 25 the archive is an OCI layout at the same time. That
last form is what Lamina writes: it is also read by all that read the others.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lamina.oci.archives.archived import ArchivedImage, ArchivedLayer, check_count
from lamina.oci.archives.layout import BLOBS
from lamina.oci.archives.members import read_member
from lamina.oci.config_json import parse_config
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch
from lamina.oci.reference import Reference, parse_reference
from lamina.oci.strict_json import (
    MAX_DOCUMENT,
    Object,
    broken,
    parse_json,
    text_of,
    texts_of,
)

if TYPE_CHECKING:
    from lamina.oci.archives.members import Members

MANIFEST = "manifest.json"
_WHAT = "manifest.json"
_HEX = frozenset("0123456789abcdef")


def read_docker_archive(members: Members) -> tuple[ArchivedImage, ...]:
    """The images of the archive. Raises InvalidArchive and InvalidImage."""
    document = parse_json(read_member(members, MANIFEST, MAX_DOCUMENT), _WHAT)
    if not isinstance(document, list) or any(not isinstance(d, dict) for d in document):
        raise broken(f"{_WHAT} is not a list of images")
    if not document:
        raise broken("the archive holds no image")
    return tuple(_image(members, entry) for entry in document)


def _image(members: Members, entry: Object) -> ArchivedImage:
    name = text_of(entry, "Config", _WHAT)
    if not name:
        raise broken(f"{_WHAT} names no config")
    data = read_member(members, name, MAX_DOCUMENT)
    identity = Digest.of(data)
    promised = _named_digest(name)
    if promised is not None and promised != identity:
        raise _mismatch(name, identity)
    config = parse_config(data)
    names = texts_of(entry, "Layers", _WHAT) or ()
    check_count(config, len(names))
    layers = tuple(
        ArchivedLayer(layer, diff_id, _blob_digest(layer), members.size(layer))
        for layer, diff_id in zip(names, config.diff_ids, strict=True)
    )
    references = _references(entry)
    return ArchivedImage(identity, config, data, layers, references)


def _references(entry: Object) -> tuple[Reference, ...]:
    tags = texts_of(entry, "RepoTags", _WHAT) or ()
    return tuple(parse_reference(tag) for tag in tags)


def _named_digest(member: str) -> Digest | None:
    """The digest that a config's file is named by: `HEX.json`, `blobs/sha256/HEX`."""
    digits = os.path.basename(member).removesuffix(".json")
    if len(digits) != 64 or set(digits) - _HEX:
        return None
    return Digest(f"sha256:{digits}")


def _blob_digest(member: str) -> Digest | None:
    """Only under `blobs/` is a layer's name its digest; elsewhere it is made up."""
    return _named_digest(member) if member.startswith(BLOBS) else None


def _mismatch(name: str, found: Digest) -> DigestMismatch:
    return DigestMismatch(
        f"{name!r} in the archive has the digest {found}, not that of its name.",
        hint="The archive is damaged; save or download it again.",
    )


def manifest_entry(
    config: str, layers: list[str], references: tuple[Reference, ...]
) -> dict[str, Any]:
    """An image's entry in `manifest.json`."""
    tags = [reference.familiar() for reference in references]
    return {"Config": config, "RepoTags": tags, "Layers": layers}
