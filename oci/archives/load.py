"""load: the images of an archive into the store.

Read: docker-archive and OCI layout, as tar or folder, compressed or not.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.oci.archives.docker_archive import MANIFEST, read_docker_archive
from lamina.oci.archives.layout import INDEX, LAYOUT, is_whole, read_layout
from lamina.oci.archives.members import Members, open_members, stream_members
from lamina.oci.errors import InvalidArchive, NotFound
from lamina.oci.platforms import Member, choose, parse_platform, platform_of
from lamina.oci.reference import parse_reference
from lamina.oci.store.image_index import put_index
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.archives.archived import ArchivedImage
    from lamina.oci.digest import Digest
    from lamina.oci.platforms import Platform
    from lamina.oci.reference import Reference
    from lamina.oci.store.store import Image, Store


@value
class Loaded:
    """An image that came in, and the names that it now has; `index` is the ID of the
    image for several platforms that it belongs to, which has its names."""

    image: Image
    references: tuple[Reference, ...]
    index: Digest | None = None


def load(
    store: Store,
    source: str | int,
    platform: Platform | None = None,
    jobs: int = 2,
) -> tuple[Loaded, ...]:
    """Load the images of an archive: a path, or a descriptor to read a tar from.

    Names in the archive become references; where another image had one, it is moved.
    Raises InvalidArchive, InvalidImage; the names are then as they were.
    """
    from lamina.oci.archives.unpack import unpack

    with store.workspace() as workspace:
        if isinstance(source, int):
            members: Members = stream_members(source, workspace)
        else:
            members = open_members(source, workspace)
        try:
            archived = _images(members, platform)
            images = unpack(store, members, archived, workspace, jobs)
        finally:
            members.close()
        indexes = _put_indexes(store, archived)
        loaded = tuple(
            Loaded(image, found.references, indexes.get(found.index or b""))
            for image, found in zip(images, archived, strict=True)
        )
        for found in loaded:
            for reference in found.references:
                store.tag(reference, found.index or found.image.id)
    return loaded


def _put_indexes(
    store: Store, archived: tuple[ArchivedImage, ...]
) -> dict[bytes, Digest]:
    """Record the indexes that images came in; their IDs, by what they came as."""
    groups: dict[bytes, list[Member]] = {}
    for found in archived:
        if found.index is not None:
            member = Member(found.platform, found.id)
            groups.setdefault(found.index, []).append(member)
    return {data: put_index(store, inside, data) for data, inside in groups.items()}


def load_base(store: Store, kind: str, place: str, platform: str = "") -> Image:
    """The one image of `oci-layout:DIR[:TAG|@DIGEST]` or `docker-archive:FILE[:NAME]`.

    It gets no name in the store. Raises NotFound when there is none or no one, or
    none for `platform`.
    """
    path, name = _split_place(place)
    wanted = parse_platform(platform) if platform else None
    return _load_one(store, kind, path, name, wanted, whole=False)[0]


def load_place(
    store: Store, kind: str, path: str, name: str, platform: Platform | None = None
) -> Digest:
    """As `load_base`; what is named may be an index, of which all images are loaded
    unless there is a `platform`. The ID of the image, or of the index."""
    image, index = _load_one(store, kind, path, name, platform, whole=platform is None)
    return index or image.id


def _load_one(
    store: Store,
    kind: str,
    path: str,
    name: str,
    platform: Platform | None,
    *,
    whole: bool,
) -> tuple[Image, Digest | None]:
    """An image, and the index that it came in with others."""
    from lamina.oci.archives.unpack import unpack

    place = f"{path}:{name}" if name else path
    with store.workspace() as workspace:
        members = open_members(path, workspace)
        try:
            if kind == "oci-layout":
                _require(members, LAYOUT, place)
                archived = read_layout(members, name, platform, whole=whole)
            else:
                _require(members, MANIFEST, place)
                archived = _bearing(read_docker_archive(members), name)
            if len({image.index or image.id for image in archived}) != 1:
                raise _ambiguous(place, archived)
            if platform is not None:
                _require_platform(place, archived[0], str(platform))
            images = unpack(store, members, archived, workspace, os.cpu_count() or 1)
        finally:
            members.close()
    return images[0], next(iter(_put_indexes(store, archived).values()), None)


def _images(members: Members, platform: Platform | None) -> tuple[ArchivedImage, ...]:
    # Docker 25 writes both kinds into one archive; `manifest.json` has the names, and
    # no place for an image of several platforms.
    is_layout = LAYOUT in members and INDEX in members
    if MANIFEST in members and not (is_layout and is_whole(members)):
        return read_docker_archive(members)
    if is_layout:
        return read_layout(members, platform=platform, whole=platform is None)
    raise InvalidArchive(
        f"The archive has neither {MANIFEST} nor {INDEX}: it holds no image.",
        hint="`lamina import` makes an image of a tar of files.",
    )


def _split_place(place: str) -> tuple[str, str]:
    """`PATH[:NAME|@DIGEST]`; what exists as it stands has no name."""
    if os.path.lexists(place):
        return place, ""
    path, at, digest = place.rpartition("@")
    if at and digest.startswith("sha256:") and os.path.lexists(path):
        return path, digest
    path, colon, name = place.partition(":")
    while colon and not os.path.lexists(path):
        more, colon, name = name.partition(":")
        path = f"{path}:{more}"
    return (path, name) if colon else (place, "")


def _require(members: Members, name: str, place: str) -> None:
    if name not in members:
        raise InvalidArchive(f"{place!r} has no {name}: it holds no image.")


def _bearing(images: tuple[ArchivedImage, ...], name: str) -> tuple[ArchivedImage, ...]:
    if not name:
        return images
    wanted = parse_reference(name)
    return tuple(image for image in images if wanted in image.references)


def _require_platform(place: str, image: ArchivedImage, platform: str) -> None:
    own = str(platform_of(image.config))
    if choose((Member(own, image.id),), platform) is None:
        raise NotFound(
            f"The image in {place!r} is for {own}, not for {platform}.",
            hint="Build without --platform for it, or give an image for that.",
        )


def _ambiguous(place: str, images: tuple[ArchivedImage, ...]) -> NotFound:
    names = sorted(r.familiar() for image in images for r in image.references)
    if not images:
        return NotFound(f"There is no such image in {place!r}.")
    return NotFound(
        f"There are {len(images)} images in {place!r}.",
        hint=f"Name one of them after a colon: {', '.join(names[:12])}.",
    )
