"""ArchivedImage: an image as an archive describes it, before anything is unpacked."""

from __future__ import annotations

from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidImage
from lamina.oci.reference import Reference
from lamina.values import value


@value
class ArchivedLayer:
    """A layer's file in the archive; what its bytes and its plain tar have to be.

    `digest` and `size` are None where the archive does not say them.
    """

    member: str
    diff_id: Digest
    digest: Digest | None = None
    size: int | None = None


@value
class ArchivedImage:
    """An image's documents, checked, and where its layers are, bottom first.

    `index`: the index of several images that it came in, and that has its names and
    says the platform.
    """

    id: Digest
    config: ImageConfig
    config_bytes: bytes
    layers: tuple[ArchivedLayer, ...]
    references: tuple[Reference, ...] = ()
    manifest: bytes | None = None
    index: bytes | None = None
    platform: str = ""


def check_count(config: ImageConfig, layers: int) -> None:
    """The config and the archive have to list as many layers; or InvalidImage."""
    if len(config.diff_ids) != layers:
        raise InvalidImage(
            f"The image's config lists {len(config.diff_ids)} layers, "
            f"its archive {layers}."
        )
