"""copy: an image from an origin to a destination, without unpacking it.

What is copied is the same bytes, so the image keeps its digest; an index is copied
with all of its images, unless one platform is asked for.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from lamina.oci.manifest import Index, Manifest, select
from lamina.oci.registry.progress import Ended, Found, nothing
from lamina.oci.registry.transfers.remote import check_is_image
from lamina.oci.strict_json import broken
from lamina.oci.threads import Stop, side_by_side

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Descriptor
    from lamina.oci.platforms import Platform
    from lamina.oci.registry.copies.destinations import Destination
    from lamina.oci.registry.copies.origins import Origin
    from lamina.oci.registry.fetched import Fetched
    from lamina.oci.registry.progress import Tell

_JOBS = 4
_MAX_NESTING = 4


class Copy:
    """One image on its way; `folder` is for blobs that are between the two."""

    def __init__(
        self,
        origin: Origin,
        destination: Destination,
        folder: str,
        tell: Tell = nothing,
    ) -> None:
        self._origin = origin
        self._destination = destination
        self._folder = folder
        self._tell = tell
        self._stop = Stop()
        self._copied: set[Digest] = set()

    def run(
        self, platform: Platform | None = None, *, referrers: bool = False
    ) -> Descriptor:
        """Copy; what the name means at the destination.

        `platform` chooses from an index; `referrers` are copied with what they refer
        to. Raises LaminaError.
        """
        root = self._origin.root()
        if isinstance(root.document, Index) and (
            platform is not None or self._destination.single
        ):
            root = self._origin.manifest(select(root.document, platform))
            if isinstance(root.document, Index):
                raise broken("an index of indexes has no image for a platform")
        if self._destination.single:
            assert isinstance(root.document, Manifest), "one was just chosen"
            check_is_image(root.document)
        self._parts(root, referrers, 0)
        if referrers:
            self._referrers(root)
        self._destination.finish(root)
        self._tell(Found("", root.digest))
        return root.descriptor

    def _parts(self, fetched: Fetched, referrers: bool, depth: int) -> None:
        """All that a manifest or an index leads to."""
        document = fetched.document
        if isinstance(document, Manifest):
            blobs = {b.digest: b for b in (document.config, *document.layers)}
            side_by_side(self._blob, blobs.values(), _JOBS, self._stop)
            return
        if depth > _MAX_NESTING:
            raise broken(f"the indexes are nested over {_MAX_NESTING} deep")
        for entry in document.manifests:
            # A small index may name the same things by the million.
            if entry.digest in self._copied:
                continue
            self._copied.add(entry.digest)
            inner = self._origin.manifest(entry)
            self._parts(inner, referrers, depth + 1)
            self._destination.put_manifest(inner)
            if referrers:
                self._referrers(inner)

    def _referrers(self, fetched: Fetched, depth: int = 0) -> None:
        """What refers to a manifest, and to that: a signature of an SBOM."""
        if depth > _MAX_NESTING:
            return
        for entry in self._origin.referrers(fetched.digest):
            inner = self._origin.manifest(entry)
            self._parts(inner, False, 0)
            self._destination.put_referrer(inner)
            self._referrers(inner, depth + 1)

    def _blob(self, blob: Descriptor) -> None:
        outcome = self._destination.has(blob, self._origin.home)
        if not outcome:
            path = f"{self._folder}/{blob.digest.hex}"
            self._origin.blob(blob, path, self._stop)
            try:
                self._destination.put(blob, path, self._stop)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            outcome = "copied"
        self._tell(Ended(blob.digest, outcome))
