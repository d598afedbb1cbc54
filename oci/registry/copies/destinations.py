"""Destinations: where `copy` puts an image, blob by blob."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

from lamina.oci.archives.docker_archive import MANIFEST, manifest_entry
from lamina.oci.archives.layout import IMAGE_NAME, INDEX, LAYOUT, LAYOUT_JSON, blob_name
from lamina.oci.archives.writer import ArchiveWriter
from lamina.oci.config_json import parse_config
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch
from lamina.oci.manifest import CONFIGS, REF_NAME, Descriptor, Index, Manifest
from lamina.oci.manifest_json import to_json
from lamina.oci.registry.errors import RegistryError
from lamina.oci.registry.progress import Meter
from lamina.oci.registry.transfers.referrers import entry_of, publish
from lamina.oci.streams.compression import open_stream
from lamina.oci.strict_json import MAX_DOCUMENT, dump_json
from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.reference import Reference
    from lamina.oci.registry.fetched import Fetched
    from lamina.oci.registry.progress import Tell
    from lamina.oci.registry.repository import Repository
    from lamina.oci.registry.transfers.known import Home
    from lamina.oci.threads import Stop

_CHUNK = 1 << 20


class Destination(Protocol):
    """Takes the parts of one image. `single`: it has no place for an index."""

    single: bool

    def has(self, blob: Descriptor, home: Home | None) -> str:
        """How a blob that needs no copy is there: exists, mounted; "" when not."""
        ...

    def put(self, blob: Descriptor, path: str, stop: Stop) -> None:
        """Take the file `path`, which has the blob; it may be gone afterwards."""
        ...

    def put_manifest(self, fetched: Fetched) -> None:
        """Take a manifest that an index leads to."""
        ...

    def put_referrer(self, fetched: Fetched) -> None:
        """Take a manifest that refers to another one by its subject."""
        ...

    def finish(self, root: Fetched) -> None:
        """Take what the image's name is to mean; everything else is there."""
        ...


class RegistryDestination:
    """A name at a registry."""

    single = False

    def __init__(self, target: Repository, reference: Reference, tell: Tell) -> None:
        self._target = target
        self._reference = reference
        self._tell = tell
        self._locations: dict[Digest, str] = {}

    def has(self, blob: Descriptor, home: Home | None) -> str:
        size = self._target.blob_size(blob.digest)
        if size in (-1, blob.size):
            return "exists"
        if home is None or home.registry != self._reference.registry:
            return ""
        try:
            location = self._target.mount(blob.digest, home.repository)
        except RegistryError:
            return ""
        self._locations[blob.digest] = location
        return "" if location else "mounted"

    def put(self, blob: Descriptor, path: str, stop: Stop) -> None:
        from lamina.oci.registry.transfers.upload import Upload

        def opened() -> BinaryIO:
            return open(path, "rb")

        meter = Meter(self._tell, "push", blob.digest, blob.size)
        location = self._locations.pop(blob.digest, "")
        Upload(self._target, blob, opened, meter, stop).send(location)

    def put_manifest(self, fetched: Fetched) -> None:
        publish(self._target, fetched.digest, fetched)

    put_referrer = put_manifest

    def finish(self, root: Fetched) -> None:
        publish(self._target, self._reference.tag or root.digest, root)


class LayoutDestination:
    """An OCI layout, in a folder or a tar; `name` is what its index calls the image."""

    single = False

    def __init__(
        self, writer: ArchiveWriter, name: str, earlier: Iterable[Descriptor] = ()
    ) -> None:
        self._writer = writer
        self._name = name
        self._earlier = tuple(earlier)
        self._referrers: list[Descriptor] = []
        self._lock = threading.Lock()

    def has(self, blob: Descriptor, _home: Home | None) -> str:
        return "exists" if self._writer.holds(blob_name(blob.digest), blob.size) else ""

    def put(self, blob: Descriptor, path: str, _stop: Stop) -> None:
        with self._lock:
            self._writer.take(blob_name(blob.digest), path)

    def put_manifest(self, fetched: Fetched) -> None:
        with self._lock:
            self._writer.add(blob_name(fetched.digest), fetched.data)

    def put_referrer(self, fetched: Fetched) -> None:
        """A layout has nothing but its index to find one by."""
        self.put_manifest(fetched)
        self._referrers.append(entry_of(fetched))

    def finish(self, root: Fetched) -> None:
        self.put_manifest(root)
        entry = root.descriptor
        if self._name:
            whole = {IMAGE_NAME: self._name} if "/" in self._name else {}
            tag = self._name.rpartition(":")[2]
            entry = replace(entry, annotations={**whole, REF_NAME: tag})
        new = {e.digest: e for e in self._referrers if e.digest != entry.digest}
        kept = [
            old
            for old in self._earlier
            if old.digest not in new and not self._is_replaced(old, entry)
        ]
        self._writer.add(LAYOUT, LAYOUT_JSON)
        self._writer.add(INDEX, to_json(Index((*kept, entry, *new.values()))))
        self._writer.finish()

    def _is_replaced(self, old: Descriptor, new: Descriptor) -> bool:
        name = new.annotations.get(REF_NAME)
        if name is None:
            return old.digest == new.digest
        return old.annotations.get(REF_NAME) == name


class DockerArchiveDestination:
    """What `docker load` reads: one image, its layers plain."""

    single = True

    def __init__(self, writer: ArchiveWriter, names: tuple[Reference, ...]) -> None:
        self._writer = writer
        self._names = names
        self._lock = threading.Lock()
        self._plain: dict[Digest, Digest] = {}
        self._configs: dict[Digest, bytes] = {}

    def has(self, blob: Descriptor, _home: Home | None) -> str:
        return ""

    def put(self, blob: Descriptor, path: str, _stop: Stop) -> None:
        if blob.media_type in CONFIGS:
            with open(path, "rb") as file:
                # What is longer is no config, and `parse_config` says so.
                self._configs[blob.digest] = file.read(MAX_DOCUMENT + 1)
            return
        with self._lock:
            self._add_plain(blob, path)

    def put_manifest(self, fetched: Fetched) -> None:
        """Nothing: `manifest.json` is all there is."""

    put_referrer = put_manifest

    def finish(self, root: Fetched) -> None:
        document = root.document
        assert isinstance(document, Manifest)
        data = self._configs[document.config.digest]
        layers = [self._plain[layer.digest] for layer in document.layers]
        if tuple(layers) != parse_config(data).diff_ids:
            raise DigestMismatch("The layers are not those that the config lists.")
        config = blob_name(document.config.digest)
        self._writer.add(config, data)
        names = [blob_name(layer) for layer in layers]
        entry = manifest_entry(config, names, self._names)
        self._writer.add(MANIFEST, dump_json([entry]))
        self._writer.finish()

    def _add_plain(self, blob: Descriptor, path: str) -> None:
        seen = hashlib.sha256()

        def produce(write: Callable[[bytes], object]) -> str:
            with open(path, "rb") as file:
                read = open_stream(file.read)
                while data := read(_CHUNK):
                    seen.update(data)
                    write(data)
            return blob_name(Digest.of_all(seen))

        self._writer.add_stream(produce)
        self._plain[blob.digest] = Digest.of_all(seen)
