"""Descriptor, Manifest, Index: the documents that tie an image's blobs together.

OCI image-spec 1.1, descriptor.md, manifest.md, image-index.md, and the Docker
schema 2 twins (distribution, manifest-v2-2.md). manifest_json.py reads and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

from lamina.oci.digest import Digest
from lamina.oci.errors import NotFound
from lamina.oci.platforms import (
    Platform,
    host_platform,
    normalise,
    runnable,
)
from lamina.values import EMPTY, value

_OCI = "application/vnd.oci.image."
OCI_MANIFEST = _OCI + "manifest.v1+json"
OCI_INDEX = _OCI + "index.v1+json"
OCI_CONFIG = _OCI + "config.v1+json"
OCI_LAYER = _OCI + "layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
_DOCKER = "application/vnd.docker."
DOCKER_MANIFEST = _DOCKER + "distribution.manifest.v2+json"
DOCKER_INDEX = _DOCKER + "distribution.manifest.list.v2+json"
DOCKER_CONFIG = _DOCKER + "container.image.v1+json"
DOCKER_LAYER = _DOCKER + "image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = DOCKER_LAYER + ".gzip"

MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
# Compression of each kind of layer; what is really there is told by its first bytes.
# The nondistributable kinds are deprecated, and are layers as any other to read.
LAYERS = frozenset(
    {
        OCI_LAYER,
        OCI_LAYER_GZIP,
        OCI_LAYER_ZSTD,
        DOCKER_LAYER,
        DOCKER_LAYER_GZIP,
        DOCKER_LAYER + ".zstd",
        _DOCKER + "image.rootfs.foreign.diff.tar",
        _DOCKER + "image.rootfs.foreign.diff.tar.gzip",
        _OCI + "layer.nondistributable.v1.tar",
        _OCI + "layer.nondistributable.v1.tar+gzip",
        _OCI + "layer.nondistributable.v1.tar+zstd",
    }
)
REF_NAME = "org.opencontainers.image.ref.name"


@value
class Descriptor:
    """What a blob is: its kind, its digest, its size in bytes."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = EMPTY
    data: bytes | None = None
    platform: Platform | None = None
    artifact_type: str = ""


# What an artifact without content has for it (manifest.md, "Guidance for an Empty
# Descriptor"): `{}`.
EMPTY_BLOB = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)


@value
class Manifest:
    """One image: its config and its layers, bottom first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = OCI_MANIFEST
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = EMPTY


@value
class Index:
    """Several manifests (or indexes): one name for many platforms."""

    manifests: tuple[Descriptor, ...]
    media_type: str = OCI_INDEX
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = EMPTY


def select(index: Index, platform: Platform | None = None) -> Descriptor:
    """The manifest for `platform` (the host's by default); raises NotFound.

    Entries without a platform serve when they are the only one, as in layouts.
    """
    wanted = platform or host_platform()
    for candidate in runnable(wanted):
        for found in index.manifests:
            if found.platform is not None and _serves(found.platform, candidate):
                return found
    if len(index.manifests) == 1 and index.manifests[0].platform is None:
        return index.manifests[0]
    there = sorted({str(m.platform) for m in index.manifests if m.platform})
    raise NotFound(
        f"There is no image for {wanted}.",
        hint=f"It is there for {', '.join(there[:12])}." if there else "",
    )


def is_image(entry: Descriptor) -> bool:
    """Whether an entry of an index is an image, or leads to some.

    What BuildKit attests is an entry for the platform `unknown/unknown`.
    """
    kinds = MANIFESTS | INDEXES
    is_kind = entry.artifact_type in ("", *CONFIGS)
    is_attested = entry.platform is not None and entry.platform.os == "unknown"
    return entry.media_type in kinds and not is_attested and is_kind


def _serves(offered: Platform, wanted: Platform) -> bool:
    offered = normalise(offered)
    return (offered.os, offered.architecture, offered.variant) == (
        wanted.os,
        wanted.architecture,
        wanted.variant,
    )
