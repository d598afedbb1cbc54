"""Outlets: where a shared cache is written, a folder or a registry."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lamina.builder.inputs.cache_places import LOCAL
from lamina.builder.sharing.places import open_place
from lamina.errors import LaminaError
from lamina.oci.archives.layout import bears, blob_name
from lamina.oci.archives.layout_folder import kept_layout
from lamina.oci.digest import Digest
from lamina.oci.manifest import Descriptor
from lamina.oci.reference import parse_reference
from lamina.oci.registry.copies.destinations import (
    LayoutDestination,
    RegistryDestination,
)
from lamina.oci.registry.errors import Missing, RegistryError
from lamina.oci.registry.fetched import Fetched
from lamina.oci.registry.transfers.known import Home
from lamina.values import value

if TYPE_CHECKING:
    from lamina.builder.inputs.cache_places import CachePlace
    from lamina.builder.sharing.places import OpenSession
    from lamina.oci.manifest import Manifest
    from lamina.oci.registry.copies.destinations import Destination
    from lamina.oci.registry.progress import Tell


@value
class Outlet:
    """Takes the parts of one cache. `now` is the digest of the manifest that its name
    means there, where that is known with all its blobs; `home` the repository."""

    destination: Destination
    now: Digest | None = None
    home: Home | None = None

    def finish(self, manifest: Manifest, data: bytes) -> None:
        """Let the cache's name mean this manifest; all else is there."""
        descriptor = Descriptor(manifest.media_type, Digest.of(data), len(data))
        self.destination.finish(Fetched(data, descriptor, manifest))


@contextlib.contextmanager
def open_outlet(
    place: CachePlace, open_session: OpenSession | None, tell: Tell
) -> Iterator[Outlet]:
    """The outlet for a place, for a `with`; raises LaminaError."""
    if place.kind == LOCAL:
        with kept_layout(place.place) as (writer, entries):
            destination = LayoutDestination(writer, place.name, entries)
            now = _whole(place, entries)
            yield Outlet(destination, now)
        return
    if open_session is None:
        raise RegistryError("This build asks no registry (--pull=never).")
    reference = parse_reference(place.place)
    with open_session() as session:
        target = session.target(reference)
        home = Home(reference.registry, reference.repository)
        try:
            now = target.head(reference.tag or "")
        except Missing:
            now = None
        yield Outlet(RegistryDestination(target, reference, tell), now, home)


def _whole(place: CachePlace, entries: tuple[Descriptor, ...]) -> Digest | None:
    """The manifest of the cache that is in the folder, if all of its blobs are."""
    found = [entry for entry in entries if bears(entry, place.name)]
    try:
        manifest = open_place(place, None).manifest()
        blobs = (found[0], manifest.config, *manifest.layers)
        paths = [f"{place.place}/{blob_name(blob.digest)}" for blob in blobs]
        sizes = [os.stat(path).st_size for path in paths]
    except (LaminaError, OSError, IndexError):
        return None
    whole = sizes == [blob.size for blob in blobs]
    return found[0].digest if whole else None
