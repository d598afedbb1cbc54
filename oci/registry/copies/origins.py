"""Origins: where `copy` takes an image from, blob by blob, as it is.

A registry and an OCI layout give what they have. A docker archive has no manifest and
plain layers: those are compressed, and a manifest is made of the result.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from lamina.oci.archives.docker_archive import read_docker_archive
from lamina.oci.archives.layout import INDEX, bears, blob_name
from lamina.oci.archives.members import read_member
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, NotFound
from lamina.oci.files.hashed_file import write_file
from lamina.oci.manifest import (
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    REF_NAME,
    Descriptor,
    Index,
    Manifest,
)
from lamina.oci.manifest_json import parse_manifest, to_json
from lamina.oci.reference import parse_reference
from lamina.oci.registry.fetched import Fetched
from lamina.oci.registry.progress import Meter
from lamina.oci.registry.transfers.download import check_digest
from lamina.oci.registry.transfers.known import Home
from lamina.oci.registry.transfers.referrers import referrers
from lamina.oci.registry.transfers.sender import save_blob
from lamina.oci.registry.transfers.sources import first_sound
from lamina.oci.streams.compression import compressor
from lamina.oci.strict_json import MAX_DOCUMENT, broken

if TYPE_CHECKING:
    from lamina.oci.archives.archived import ArchivedImage
    from lamina.oci.archives.members import Members
    from lamina.oci.reference import Reference
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.repository import Repository
    from lamina.oci.threads import Stop

    Read = Callable[[int], bytes]
    Write = Callable[[bytes], object]

T = TypeVar("T")

_CHUNK = 1 << 20


class Origin(Protocol):
    """Gives the parts of one image."""

    def root(self) -> Fetched:
        """The manifest or index that the image's name means."""
        ...

    def manifest(self, entry: Descriptor) -> Fetched:
        """An entry of an index."""
        ...

    def blob(self, blob: Descriptor, path: str, stop: Stop) -> None:
        """Write a blob to the new file `path`, verified."""
        ...

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """What refers to a manifest of the image."""
        ...

    @property
    def home(self) -> Home | None:
        """The repository that has the blobs, where it is one."""
        ...


class RegistryOrigin:
    """An image at a registry, or at a mirror of it."""

    def __init__(
        self, sources: tuple[Repository, ...], reference: Reference, tell: Tell
    ) -> None:
        self._sources = sources
        self._reference = reference
        self._tell = tell

    @property
    def home(self) -> Home | None:
        return Home(self._reference.registry, self._reference.repository)

    def root(self) -> Fetched:
        name = self._reference.digest or self._reference.tag or ""
        return self._first(lambda source: source.manifest(name))

    def manifest(self, entry: Descriptor) -> Fetched:
        return self._first(lambda source: source.manifest(entry.digest))

    def blob(self, blob: Descriptor, path: str, stop: Stop) -> None:
        self._first(lambda source: save_blob(source, blob, path, self._tell, stop))

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        return referrers(self._sources[-1], digest)

    def _first(self, ask: Callable[[Repository], T]) -> T:
        """From the first source that has it as it should be."""
        return first_sound(self._sources, lambda left: ask(left[0]))


class LayoutOrigin:
    """An image of an OCI layout; `name` chooses it where there are several."""

    home = None

    def __init__(self, members: Members, name: str, tell: Tell) -> None:
        self._members = members
        self._name = name
        self._tell = tell

    def root(self) -> Fetched:
        found = [entry for entry in self._index().manifests if self._is_meant(entry)]
        if len({entry.digest for entry in found}) != 1:
            raise NotFound(
                f"There are {len(found)} such images in the layout."
                if found
                else "There is no such image in the layout.",
                hint="Name one of them after a colon, by its tag.",
            )
        return self.manifest(found[0])

    def manifest(self, entry: Descriptor) -> Fetched:
        data = read_member(self._members, blob_name(entry.digest), MAX_DOCUMENT)
        check_digest(entry, Digest.of(data))
        document = parse_manifest(data, entry.media_type)
        found = Descriptor(document.media_type, entry.digest, len(data))
        return Fetched(data, found, document)

    def blob(self, blob: Descriptor, path: str, stop: Stop) -> None:
        meter = Meter(self._tell, "copy", blob.digest, blob.size)
        with self._members.open(blob_name(blob.digest)) as read:
            found = write_file(path, lambda write: pour(read, write, meter, stop))
        check_digest(blob, found[0])

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        found = []
        for entry in self._index().manifests:
            subject = self.manifest(entry).document.subject
            if subject is not None and subject.digest == digest:
                found.append(entry)
        return tuple(found)

    def _index(self) -> Index:
        index = parse_manifest(read_member(self._members, INDEX, MAX_DOCUMENT))
        if not isinstance(index, Index):
            raise broken("index.json is not an index")
        return index

    def _is_meant(self, entry: Descriptor) -> bool:
        """Whether the name means it; without one, what refers to others is left out."""
        if self._name:
            return bears(entry, self._name)
        return REF_NAME in entry.annotations or (
            self.manifest(entry).document.subject is None
        )


class DockerArchiveOrigin:
    """An image of a docker archive; `folder` is for its layers, compressed."""

    home = None

    def __init__(self, members: Members, name: str, folder: str, tell: Tell) -> None:
        self._members = members
        self._name = name
        self._folder = folder
        self._tell = tell
        self._paths: dict[Digest, str] = {}

    def root(self) -> Fetched:
        image = self._image()
        config = Descriptor(OCI_CONFIG, image.id, len(image.config_bytes))
        path = f"{self._folder}/{image.id.hex}.config"
        with open(path, "wb") as file:
            file.write(image.config_bytes)
        self._paths[image.id] = path
        layers = tuple(
            self._compressed(layer.member, layer.diff_id) for layer in image.layers
        )
        made = Manifest(config, layers)
        data = to_json(made)
        found = Descriptor(made.media_type, Digest.of(data), len(data))
        return Fetched(data, found, made)

    def manifest(self, entry: Descriptor) -> Fetched:
        raise AssertionError(f"a docker archive has no index with {entry.digest}")

    def blob(self, blob: Descriptor, path: str, stop: Stop) -> None:
        os.link(self._paths[blob.digest], path)

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        return ()

    def _image(self) -> ArchivedImage:
        images = read_docker_archive(self._members)
        if self._name:
            wanted = parse_reference(self._name)
            images = tuple(image for image in images if wanted in image.references)
        if len(images) != 1:
            raise NotFound(
                f"There are {len(images)} such images in the archive.",
                hint="Name one of them after a colon.",
            )
        return images[0]

    def _compressed(self, member: str, diff_id: Digest) -> Descriptor:
        """A layer, plain or not in the archive, as gzip of ours."""
        from lamina.oci.streams.compression import open_stream

        path = f"{self._folder}/{diff_id.hex}.layer"
        meter = Meter(self._tell, "compress", diff_id, self._members.size(member))
        seen = hashlib.sha256()

        def produce(write: Write) -> None:
            squeeze = compressor("gzip", write)
            with self._members.open(member) as read:
                plain = open_stream(read)
                while data := plain(_CHUNK):
                    seen.update(data)
                    meter.add(len(data))
                    squeeze.write(data)
            squeeze.close()

        if os.path.exists(path):  # the same layer twice
            os.unlink(path)
        digest, size = write_file(path, produce)
        if seen.hexdigest() != diff_id.hex:
            raise DigestMismatch(f"The layer {member!r} is not what its image says.")
        self._paths[digest] = path
        return Descriptor(OCI_LAYER_GZIP, digest, size)


def pour(read: Read, write: Write, meter: Meter, stop: Stop) -> None:
    """All that `read` gives goes to `write`."""
    while data := read(_CHUNK):
        stop.check()
        meter.add(len(data))
        write(data)
