"""Places: where a shared cache is read, a folder or a registry, blob by blob."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from lamina.builder.inputs.cache_places import LOCAL
from lamina.builder.sharing.document import ARTIFACT, MAX_SIZE, parse_document
from lamina.oci.archives.layout import INDEX, bears, blob_name
from lamina.oci.archives.members import FolderMembers, read_member
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidArchive, InvalidImage, NotFound
from lamina.oci.manifest import Index, Manifest
from lamina.oci.manifest_json import parse_manifest
from lamina.oci.reference import parse_reference
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.progress import Meter
from lamina.oci.registry.transfers.download import Download, check_digest, read_small
from lamina.oci.registry.transfers.known import Home
from lamina.oci.registry.transfers.sources import first_sound
from lamina.oci.strict_json import MAX_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.inputs.cache_places import CachePlace
    from lamina.builder.sharing.document import Document
    from lamina.oci.manifest import Descriptor
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.repository import Repository
    from lamina.oci.registry.session import Session
    from lamina.oci.threads import Stop

    Read = Callable[[int], bytes]
    OpenSession = Callable[[], Session]


# Transfers of less are over before anybody reads of them.
LEAST_TOLD = 1 << 20


class Place(Protocol):
    """Gives the parts of one cache."""

    def manifest(self) -> Manifest:
        """What the cache's name means now; raises NotFound where there is none."""
        ...

    def small(self, blob: Descriptor) -> bytes:
        """A small blob, whole and verified."""
        ...

    def read(
        self, blob: Descriptor, tell: Tell, stop: Stop
    ) -> contextlib.AbstractContextManager[Read]:
        """A function that reads on in a blob, whose digest is for the reader to check;
        reading ends with Stopped once `stop` is set."""
        ...

    @property
    def home(self) -> Home | None:
        """The repository that has the blobs, where it is one."""
        ...


def open_place(place: CachePlace, open_session: OpenSession | None) -> Place:
    """The cache at a place; nothing is asked yet. Raises LaminaError."""
    if place.kind == LOCAL:
        return _Folder(place)
    if open_session is None:
        raise RegistryError("This build asks no registry (--pull=never).")
    return _Registry(place, open_session())


def document_at(place: Place) -> Document:
    """The document of the cache; raises InvalidImage where there is something else."""
    manifest = place.manifest()
    if manifest.artifact_type != ARTIFACT:
        raise InvalidImage(f"it is {_kind(manifest)}, and no cache that Lamina wrote.")
    return parse_document(place.small(manifest.config))


def _kind(manifest: Manifest) -> str:
    kind = manifest.artifact_type or manifest.config.media_type
    if kind.startswith("application/vnd.buildkit.cacheconfig."):
        return "a cache of BuildKit's"
    return f"of the kind {kind[:80]!r}"


def _manifest(document: Manifest | Index) -> Manifest:
    if isinstance(document, Index):
        raise InvalidImage("it is an index, and no cache that Lamina wrote.")
    return document


class _Folder:
    """An OCI layout in a folder."""

    home = None

    def __init__(self, place: CachePlace) -> None:
        self._place = place

    def manifest(self) -> Manifest:
        with self._members() as members:
            index = parse_manifest(read_member(members, INDEX, MAX_DOCUMENT))
            found = [
                entry
                for entry in (index.manifests if isinstance(index, Index) else ())
                if bears(entry, self._place.name)
            ]
            if not found:
                raise NotFound(f"the layout has nothing called {self._place.name}.")
            data = _whole(members, found[0])
            return _manifest(parse_manifest(data, found[0].media_type))

    def small(self, blob: Descriptor) -> bytes:
        if blob.data is not None or not blob.size:
            return blob.data or b""
        with self._members() as members:
            return _whole(members, blob)

    @contextlib.contextmanager
    def read(self, blob: Descriptor, tell: Tell, stop: Stop) -> Iterator[Read]:
        meter = Meter(tell, "pull", blob.digest, blob.size)
        with self._members() as members, members.open(blob_name(blob.digest)) as read:

            def measured(size: int) -> bytes:
                stop.check()
                data = read(size)
                meter.add(len(data))
                if meter.done > blob.size:
                    raise DigestMismatch(f"The blob {blob.digest} is too long.")
                return data

            yield measured

    @contextlib.contextmanager
    def _members(self) -> Iterator[FolderMembers]:
        """Opened for each use: whoever writes the cache may replace the folder."""
        path = self._place.place
        try:
            opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound("the folder is not there.") from None
        except OSError as error:
            raise InvalidArchive(f"it cannot be read: {error.strerror}.") from error
        members = FolderMembers(opened)
        try:
            if INDEX not in members:
                raise NotFound("the folder holds no OCI layout.")
            yield members
        finally:
            members.close()


class _Registry:
    """A manifest in a registry, or a mirror of it."""

    def __init__(self, place: CachePlace, session: Session) -> None:
        self._reference = parse_reference(place.place)
        self._session = session
        self._sources: tuple[Repository, ...] = ()

    @property
    def home(self) -> Home | None:
        return Home(self._reference.registry, self._reference.repository)

    def manifest(self) -> Manifest:
        name = self._reference.digest or self._reference.tag or ""

        def ask(left: tuple[Repository, ...]) -> Manifest:
            found = left[0].manifest(name)
            self._sources = (left[0],)
            return _manifest(found.document)

        return first_sound(self._session.sources(self._reference), ask)

    def small(self, blob: Descriptor) -> bytes:
        if not blob.size:
            return b""
        return read_small(self._sources[0], blob, MAX_SIZE, "The cache's config")

    @contextlib.contextmanager
    def read(self, blob: Descriptor, tell: Tell, stop: Stop) -> Iterator[Read]:
        meter = Meter(tell, "pull", blob.digest, blob.size)
        download = Download(self._sources[0], blob, meter, stop)
        try:
            yield download.read
        finally:
            download.close()


def _whole(members: FolderMembers, blob: Descriptor) -> bytes:
    data = read_member(members, blob_name(blob.digest), MAX_SIZE)
    check_digest(blob, Digest.of(data))
    return data
