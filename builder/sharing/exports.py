"""Exports: what a build knows in the end becomes the caches that `--cache-to` names.

Blobs come first, the document and the manifest last: whoever reads the cache meanwhile
sees the one that was there before. A blob that is there is not sent again, and where
nothing changed only the manifest's digest is asked for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from lamina.builder.bases.pulled import Told
from lamina.builder.caching.file_lists import FILES
from lamina.builder.events import CacheWritten, warning
from lamina.builder.sharing.blobs import Blobs, Handling, Origins
from lamina.builder.sharing.document import (
    ARTIFACT,
    CONFIG,
    LIST,
    Document,
    Record,
    document_bytes,
)
from lamina.builder.sharing.outlets import open_outlet
from lamina.builder.sharing.packing import Compression, Packing, describe
from lamina.builder.sharing.places import LEAST_TOLD
from lamina.errors import LaminaError
from lamina.oci.digest import Digest
from lamina.oci.manifest import EMPTY_BLOB, Descriptor, Manifest
from lamina.oci.manifest_json import to_json
from lamina.oci.registry.progress import nothing
from lamina.values import EMPTY, replace, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.builder.events import Emit
    from lamina.builder.inputs.cache_places import CacheTarget
    from lamina.builder.sharing.document import SharedLayer, SharedMount
    from lamina.builder.sharing.offers import Offer
    from lamina.builder.sharing.outlets import Outlet
    from lamina.builder.sharing.places import OpenSession
    from lamina.builder.solving.graph import Graph
    from lamina.builder.solving.layers import Layers
    from lamina.builder.solving.work import Work
    from lamina.oci.store.store import Store


class CacheFailed(LaminaError):
    """A cache that could not be written; the images of the build are there."""


@value
class Solved:
    """What a build knows in the end: of each step its key (`known`) and its chain of
    layers, digests of files in stages by memo, and the caches that it asked.
    `distrusted` are blobs that came damaged from where they are."""

    graph: Graph
    known: Mapping[int, Work]
    results: Mapping[int, Layers]
    memos: Mapping[str, str]
    offers: Sequence[Offer] = ()
    distrusted: frozenset[Digest] = frozenset()


class Exporter:
    """Writes the caches of one build. While it is open nothing collects the layers that
    the build knows: open it before the build, with `with`."""

    def __init__(
        self, store: Store, open_session: OpenSession | None, emit: Emit
    ) -> None:
        self._store = store
        self._open_session = open_session
        self._emit = emit
        self._workspace = store.workspace()
        self._solved: Solved | None = None

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._workspace.close()

    def take(self, solved: Solved) -> None:
        """What is to be written."""
        self._solved = solved

    def write(self, targets: Iterable[CacheTarget]) -> None:
        """Write all; raises CacheFailed for the first that cannot be."""
        assert self._solved is not None, "a build has to be solved before its export"
        failed: LaminaError | None = None
        for target in targets:
            try:
                self._write(target, self._solved)
            except LaminaError as error:
                text = f"The cache {target.place} cannot be written: {error.message}"
                if target.optional:
                    self._emit(warning(text))
                else:
                    failed = failed or CacheFailed(text, hint=error.hint)
        if failed is not None:
            raise failed

    def _write(self, target: CacheTarget, solved: Solved) -> None:
        told = Told(f"writing the cache {target.place}", self._emit, LEAST_TOLD)
        with contextlib.ExitStack() as stack:
            outlet = stack.enter_context(
                open_outlet(target.place, self._open_session, told)
            )
            compression = Compression(target.compression or "gzip", target.level)
            # What is sent to a registry is told where it is sent.
            tell = nothing if outlet.home is not None else told
            packing = Packing(self._store, self._workspace, compression, tell)
            origins = Origins(solved.offers, self._open_session, stack)
            keeps = not (target.compression or target.recompress)
            handling = Handling(keeps, solved.distrusted)
            blobs = Blobs(self._store, outlet, packing, origins, self._emit, handling)
            written = _Export(
                self._store, solved, target, outlet, blobs, self._emit
            ).run()
        told.end()
        self._emit(written)


def records_of(store: Store, solved: Solved, target: CacheTarget) -> tuple[Record, ...]:
    """What is known of the steps that the cache is to have, each key once."""
    wanted = None
    if target.mode == "min":
        tips = (solved.results[made.tip] for made in solved.graph.products)
        wanted = {content for chain in tips for content in chain}
    found: dict[Digest, Record] = {}
    for step in solved.graph.steps:
        work = solved.known.get(step.index)
        if work is None or work.key.digest in found:
            continue
        record = _local(store, work) or _promised(solved, work)
        # A test has no layers, so it has none that are not wanted.
        if record is not None and (wanted is None or wanted.issuperset(record.result)):
            found[record.key] = record
    return tuple(found.values())


def _local(store: Store, work: Work) -> Record | None:
    """The record of a step in the local cache, if its layers are here."""
    row = store.index.row(
        "SELECT result, created FROM step WHERE key=?", work.key.digest
    )
    if row is None:
        return None
    result = tuple(map(Digest, row[0].split()))
    if not store.has_layers(result):
        return None
    key = work.key
    return Record(key.digest, key.fields, work.step.name, result, row[1])


def _promised(solved: Solved, work: Work) -> Record | None:
    """The record of a step that only a cache knows which the build asked."""
    for offer in solved.offers:
        found = offer.records.get(work.key.digest)
        if found is not None and all(c in offer.layers for c in found.result):
            return replace(found, name=work.step.name)
    return None


@value
class _List:
    """The files behind a digest: a blob, and its bytes or who has it."""

    blob: Descriptor
    data: bytes | None = None
    offer: Offer | None = None


def lists_of(
    store: Store, solved: Solved, records: tuple[Record, ...]
) -> dict[str, _List]:
    """The lists of the files of the context that these steps read, by their digest: as
    another cache has them, since another zlib packs them to other bytes, else as they
    are remembered here."""
    found: dict[str, _List] = {}
    for record in records:
        for digest in json.loads(record.fields).get("reads", {}).values():
            data = store.recall(FILES, digest)
            if data is not None:
                found[digest] = _List(describe(LIST, data), data)
            for offer in solved.offers:
                blob = offer.document.lists.get(digest)
                if blob is not None:
                    found[digest] = _List(blob, None, offer)
                    break
    return found


class _Export:
    """One cache on its way."""

    def __init__(
        self,
        store: Store,
        solved: Solved,
        target: CacheTarget,
        outlet: Outlet,
        blobs: Blobs,
        emit: Emit,
    ) -> None:
        self._store = store
        self._solved = solved
        self._target = target
        self._outlet = outlet
        self._blobs = blobs
        self._emit = emit
        self._layers: dict[Digest, SharedLayer] = {}
        self._lists: dict[str, _List] = {}

    def run(self) -> CacheWritten:
        """Write it; what there is to tell."""
        records = records_of(self._store, self._solved, self._target)
        contents = sorted({content for r in records for content in r.result})
        for content in contents:
            known = self._blobs.known(content)
            if known is not None:
                self._layers[content] = known
        mounts = self._mounts()
        self._lists = lists_of(self._store, self._solved, records)
        document = self._document(records, mounts)
        complete = len(self._layers) == len(contents)
        if not (complete and self._is_there(document)):
            lost = self._blobs.send_all(contents, self._layers)
            self._send_lists()
            given = tuple(r for r in records if lost.isdisjoint(r.result))
            document = self._document(given, mounts)
            self._finish(document)
        sent = self._blobs.sent
        return CacheWritten(
            str(self._target.place), len(document.records), len(self._layers), sent
        )

    def _is_there(self, document: Document) -> bool:
        """Whether the outlet has exactly this, and nothing of it is in doubt."""
        blobs = {blob.digest for blob in document.blobs}
        if not self._solved.distrusted.isdisjoint(blobs):
            return False
        return self._outlet.now == _digest(document)

    def _mounts(self) -> tuple[SharedMount, ...]:
        if not self._target.mounts:
            return ()
        from lamina.builder.sharing.mounts import send_mounts

        return send_mounts(self._store, self._solved.graph, self._blobs, self._emit)

    def _document(
        self, records: tuple[Record, ...], mounts: tuple[SharedMount, ...]
    ) -> Document:
        # With less than all steps somebody makes those stages, and knows better.
        files = self._solved.memos if self._target.mode == "max" else EMPTY
        lists = {digest: known.blob for digest, known in self._lists.items()}
        layers = tuple(self._layers.values())
        return Document(records, layers, files, lists, mounts)

    def _send_lists(self) -> None:
        """Have the lists there; one that its cache does not give is left out."""
        for digest, known in tuple(self._lists.items()):
            try:
                self._blobs.send_small(known.blob, partial(self._bytes_of, known))
            except LaminaError:
                del self._lists[digest]

    def _bytes_of(self, known: _List) -> bytes:
        if known.offer is None:
            return known.data or b""
        return self._blobs.offered(known.offer, known.blob)

    def _finish(self, document: Document) -> None:
        config = document_bytes(document)
        self._blobs.send_bytes(CONFIG, config)
        if not document.blobs:
            self._blobs.send_bytes(EMPTY_BLOB.media_type, b"{}")
        manifest = _manifest(document, config)
        self._outlet.finish(manifest, to_json(manifest))


def _manifest(document: Document, config: bytes) -> Manifest:
    """The manifest of a cache: an artifact, which has at least one layer
    (image-spec, manifest.md, "Guidelines for Artifact Usage")."""
    descriptor = Descriptor(CONFIG, Digest.of(config), len(config))
    layers = document.blobs or (EMPTY_BLOB,)
    return Manifest(descriptor, layers, artifact_type=ARTIFACT)


def _digest(document: Document) -> Digest:
    return Digest.of(to_json(_manifest(document, document_bytes(document))))
