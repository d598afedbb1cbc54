"""The JSON of manifests, indexes and descriptors, read and written."""

from __future__ import annotations

import binascii
from typing import Any

from lamina.oci.digest import Digest
from lamina.oci.manifest import (
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from lamina.oci.platforms import Platform
from lamina.oci.strict_json import (
    Object,
    broken,
    digest_of,
    dump_json,
    integer_of,
    mapping_of,
    object_of,
    objects_of,
    parse_object,
    text_of,
    texts_of,
)

# Only the keys of the other kind that no kind may have beside its own.
_MANIFEST_KEYS = ("config", "layers")
_INDEX_KEYS = ("manifests",)
# fmt: off
_KNOWN = frozenset((
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests",
    "subject", "annotations", "fsLayers", "digest", "size", "urls", "data", "platform",
))
# fmt: on
_FOLDED = {key.lower(): key for key in _KNOWN}


def parse_manifest(data: bytes, media_type: str = "") -> Manifest | Index:
    """A manifest or an index, whichever the content is.

    `media_type` is what the sender called it, if it did; it has to agree. Raises
    InvalidImage for documents that could be both (CVE-2021-41190), that are too
    large, or that break the specification.
    """
    document = parse_object(data, "the manifest")
    _check_spelling(document, "the manifest")
    _check_version(document)
    is_manifest = any(key in document for key in _MANIFEST_KEYS)
    is_index = any(key in document for key in _INDEX_KEYS)
    if is_manifest and is_index:
        raise broken(
            "the manifest is an image and an index at once",
            hint="Such a document means different images to different programs "
            "(CVE-2021-41190); nothing sane makes one.",
        )
    if not is_manifest and not is_index:
        raise broken("the manifest has neither `layers` nor `manifests`")
    kind = _media_type(document, media_type, is_index)
    return _index(document, kind) if is_index else _manifest(document, kind)


def to_json(document: Manifest | Index) -> bytes:
    """The bytes whose digest names the document: compact, in the order of Go's types.

    Docker's schema 2 and OCI share the order, since BuildKit writes both.
    """
    fields: dict[str, Any] = {"schemaVersion": 2, "mediaType": document.media_type}
    if document.artifact_type:
        fields["artifactType"] = document.artifact_type
    if isinstance(document, Manifest):
        fields["config"] = descriptor_json(document.config)
        fields["layers"] = [descriptor_json(layer) for layer in document.layers]
    else:
        fields["manifests"] = [descriptor_json(m) for m in document.manifests]
    if document.subject is not None:
        fields["subject"] = descriptor_json(document.subject)
    if document.annotations:
        fields["annotations"] = dict(sorted(document.annotations.items()))
    return dump_json(fields)


def _check_version(document: Object) -> None:
    version = integer_of(document, "schemaVersion", "the manifest")
    if version == 1 or "fsLayers" in document:
        raise broken(
            "the manifest is of Docker's schema 1, which is not supported",
            hint="Pull and push it once with a current Docker to convert it.",
        )
    if version != 2:
        raise broken(f"the manifest's schemaVersion is {version}, not 2")


def _check_spelling(document: Object, what: str) -> None:
    """Refuse `Layers` beside `layers`: Go would take either, this reader one."""
    for key in document:
        if key not in _KNOWN and key.lower() in _FOLDED:
            raise broken(f"{what} has {key!r} for {_FOLDED[key.lower()]!r}")


def _media_type(document: Object, claimed: str, is_index: bool) -> str:
    written = text_of(document, "mediaType", "the manifest")
    # A Content-Type may carry parameters.
    claimed = claimed.partition(";")[0].strip()
    if written and claimed and written != claimed:
        raise broken(f"the manifest says it is {written}, its sender {claimed}")
    kind = written or claimed or (OCI_INDEX if is_index else OCI_MANIFEST)
    if kind not in (INDEXES if is_index else MANIFESTS):
        raise broken(
            f"the manifest calls itself {kind[:80]!r} and has the fields of "
            f"{'an index' if is_index else 'an image'}"
        )
    return kind


def _manifest(document: Object, media_type: str) -> Manifest:
    config = object_of(document, "config", "the manifest")
    if config is None:
        raise broken("the manifest has no config")
    return Manifest(
        config=parse_descriptor(config, "the config"),
        layers=tuple(
            parse_descriptor(layer, f"layer {number}")
            for number, layer in enumerate(
                objects_of(document, "layers", "the manifest"), 1
            )
        ),
        media_type=media_type,
        artifact_type=text_of(document, "artifactType", "the manifest"),
        subject=_subject(document),
        annotations=mapping_of(document, "annotations", "the manifest"),
    )


def _index(document: Object, media_type: str) -> Index:
    return Index(
        manifests=tuple(
            parse_descriptor(entry, f"entry {number} of the index")
            for number, entry in enumerate(
                objects_of(document, "manifests", "the index"), 1
            )
        ),
        media_type=media_type,
        artifact_type=text_of(document, "artifactType", "the index"),
        subject=_subject(document),
        annotations=mapping_of(document, "annotations", "the index"),
    )


def _subject(document: Object) -> Descriptor | None:
    subject = object_of(document, "subject", "the manifest")
    return None if subject is None else parse_descriptor(subject, "the subject")


def parse_descriptor(entry: Object, what: str) -> Descriptor:
    """The descriptor that a JSON object is; `what` names it in errors."""
    _check_spelling(entry, what)
    size = integer_of(entry, "size", what)
    if size < 0 or "size" not in entry:
        raise broken(f"{what} has no size")
    media_type = text_of(entry, "mediaType", what)
    if not media_type:
        raise broken(f"{what} has no mediaType")
    platform = object_of(entry, "platform", what)
    return Descriptor(
        media_type=media_type,
        digest=digest_of(entry, "digest", what),
        size=size,
        urls=texts_of(entry, "urls", what) or (),
        annotations=mapping_of(entry, "annotations", what),
        data=_data(entry, what),
        platform=None if platform is None else _platform(platform, what),
        artifact_type=text_of(entry, "artifactType", what),
    )


def _data(entry: Object, what: str) -> bytes | None:
    encoded = text_of(entry, "data", what)
    if not encoded:
        return None
    try:
        data = binascii.a2b_base64(encoded.encode(), strict_mode=True)
    except (ValueError, UnicodeError) as error:
        raise broken(f"{what}: 'data' is not base64") from error
    if len(data) != entry["size"] or Digest.of(data) != entry["digest"]:
        raise broken(f"{what}: 'data' is not what its digest says")
    return data


def _platform(entry: Object, what: str) -> Platform:
    return Platform(
        os=text_of(entry, "os", what),
        architecture=text_of(entry, "architecture", what),
        variant=text_of(entry, "variant", what),
        os_version=text_of(entry, "os.version", what),
        os_features=texts_of(entry, "os.features", what) or (),
    )


def descriptor_json(descriptor: Descriptor) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.urls:
        fields["urls"] = list(descriptor.urls)
    if descriptor.annotations:
        fields["annotations"] = dict(sorted(descriptor.annotations.items()))
    if descriptor.data is not None:
        fields["data"] = binascii.b2a_base64(descriptor.data, newline=False).decode()
    if descriptor.platform is not None:
        fields["platform"] = _platform_json(descriptor.platform)
    if descriptor.artifact_type:
        fields["artifactType"] = descriptor.artifact_type
    return fields


def _platform_json(platform: Platform) -> dict[str, Any]:
    fields: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        fields["os.version"] = platform.os_version
    if platform.os_features:
        fields["os.features"] = list(platform.os_features)
    if platform.variant:
        fields["variant"] = platform.variant
    return fields
