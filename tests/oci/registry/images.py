"""Small images to be pulled and pushed."""

from __future__ import annotations

import json
import zlib
from typing import Any

from tests.oci.image_archives import OCI, config, descriptor, tar
from tests.oci.registry.server import Images

# Random-looking, so that compressed blobs are larger than a reader's first piece.
NOISE = b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "little") for n in range(400_000))
ONE = tar({"etc/name": b"one", "bin/noise": NOISE})
TWO = tar({"etc/other": b"two"})


def gzipped(data: bytes) -> bytes:
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    return squeeze.compress(data) + squeeze.flush()


def manifest(written: bytes, *blobs: bytes, **more: Any) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI + "manifest.v1+json",
        "config": descriptor(OCI + "config.v1+json", written),
        "layers": [descriptor(OCI + "layer.v1.tar+gzip", blob) for blob in blobs],
        **more,
    }
    return json.dumps(document).encode()


def add_image(images: Images, *tars: bytes, tags: tuple[str, ...] = ("1",)) -> bytes:
    """An image of gzipped layers; its manifest."""
    blobs = [gzipped(layer) for layer in tars]
    written = config(*tars)
    for data in (written, *blobs):
        images.add_blob(data)
    made = manifest(written, *blobs)
    images.add_manifest(OCI + "manifest.v1+json", made, *tags)
    return made


def index(*entries: tuple[bytes, str]) -> bytes:
    """An index of manifests and their platforms."""
    listed = []
    for data, platform in entries:
        system, architecture = platform.split("/")
        place = {"os": system, "architecture": architecture}
        listed.append(descriptor(OCI + "manifest.v1+json", data, platform=place))
    return json.dumps({"schemaVersion": 2, "manifests": listed}).encode()


def add_index(images: Images, *more: tuple[bytes, str]) -> bytes:
    """An index of two images, and of `more`; it has the tag 1."""
    made = []
    for platform, layer in (("linux/amd64", ONE), ("linux/s390x", TWO)):
        architecture = platform.partition("/")[2]
        blob, written = gzipped(layer), config(layer, architecture=architecture)
        images.add_blob(blob)
        images.add_blob(written)
        made.append((manifest(written, blob), platform))
    for data, _ in made:
        images.add_manifest(OCI + "manifest.v1+json", data)
    listed = index(*made, *more)
    images.add_manifest(OCI + "index.v1+json", listed, "1")
    return listed
