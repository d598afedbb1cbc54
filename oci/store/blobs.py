"""What compressors make of layers, as the store remembers it: memos, which may be lost
at any time.

blob     diff_id and compressor's version -> digest and size of what it makes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.digest import Digest
from lamina.oci.manifest import Descriptor

if TYPE_CHECKING:
    from lamina.oci.store.store import Store


def remember_blob(
    store: Store, diff_id: Digest, version: str, blob: Descriptor
) -> None:
    """`version` of a compressor makes `blob` of a layer."""
    text = f"{blob.digest} {blob.size}"
    store.remember("blob", f"{diff_id} {version}", text.encode())


def known_blob(
    store: Store, diff_id: Digest, version: str, media_type: str
) -> Descriptor | None:
    """The blob that `version` of a compressor makes of a layer."""
    data = store.recall("blob", f"{diff_id} {version}")
    if data is None:
        return None
    digest, size = data.decode().split()
    return Descriptor(media_type, Digest(digest), int(size))
