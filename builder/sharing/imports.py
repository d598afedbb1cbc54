"""Imports: the caches that `--cache-from` names, for one build.

None is asked before the build misses something. Then its manifest and its config are
read, and a key that is in it is a hit; the layers of hits stay where they are until a
step stands on them, or the image. A cache that fails is a warning: what it promised and
does not give counts as unknown from then on.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

from lamina.builder.bases.pulled import Told
from lamina.builder.caching.cache import record
from lamina.builder.errors import LayersLost
from lamina.builder.events import warning
from lamina.builder.sharing.offers import likest, open_offer
from lamina.builder.sharing.places import LEAST_TOLD
from lamina.builder.sharing.receive import receive_files, receive_layer
from lamina.builder.solving.cachekey import CacheKey
from lamina.builder.solving.shared import Found
from lamina.errors import LaminaError
from lamina.oci.digest import Digest
from lamina.oci.errors import InUse
from lamina.oci.files.removal import remove_tree
from lamina.oci.registry.errors import Missing, RegistryError
from lamina.oci.registry.transfers.known import remember_home
from lamina.oci.store.blobs import remember_blob
from lamina.oci.threads import Stop, Stopped, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.builder.events import Emit
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.inputs.cache_places import CacheSource
    from lamina.builder.sharing.document import (
        Record,
        SharedMount,
    )
    from lamina.builder.sharing.offers import Offer
    from lamina.oci.files.workspace import Workspace
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Store

# How many layers at a time come for one step.
_JOBS = 4


class Imports:
    """Threads may ask at once; close it at the end."""

    def __init__(
        self, store: Store, inputs: BuildInputs, emit: Emit, workspace: Workspace
    ) -> None:
        self._store = store
        self._inputs = inputs
        self._emit = emit
        self._workspace = workspace
        self._lock = threading.RLock()
        # Of its own: threads that open caches ask while one waits for all of them.
        self._session_lock = threading.Lock()
        self._session: Session | None = None
        self._opened: tuple[Offer, ...] | None = None
        # What cannot be had: whole caches, and contents of one of them.
        self._down: set[str] = set()
        self._bad: set[tuple[str, Digest]] = set()
        # Records that are hits, by the layers that still have to come.
        self._promised: dict[str, list[Record]] = {}
        # What is on its way, under a lock that nobody holds for long: who stops the
        # build must not wait for a cache that is just being opened.
        self._moving = threading.Lock()
        self._stops: set[Stop] = set()
        self._told: dict[str, Told] = {}
        self._stopped = False

    def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            self._session.close()

    def stop(self) -> None:
        with self._moving:
            self._stopped = True
            for stop in self._stops:
                stop.set()

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The caches that answer; asked the first time that somebody wants to know."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open_all()
            return tuple(o for o in self._opened if o.name not in self._down)

    def asked(self) -> tuple[Offer, ...]:
        """The caches that were opened so far; none is opened for it."""
        return self.offers if self._opened is not None else ()

    @property
    def distrusted(self) -> frozenset[Digest]:
        """The blobs that came damaged, or not at all."""
        return frozenset(
            offer.layers[content].packed.blob.digest
            for offer in self._opened or ()
            for name, content in self._bad
            if name == offer.name
        )

    def find(self, key: CacheKey, max_age: int) -> Found | None:
        now = int(time.time())
        for offer in self.offers:
            found = offer.records.get(key.digest)
            if found is None:
                continue
            created = min(found.created, now)
            old = max_age and created + max_age / 1e9 <= now
            if not old and all(map(self._is_promised, found.result)):
                self._note_hit(found)
                return Found(found.result, created, offer.name)
        return None

    def files(self, memo: str) -> str | None:
        for offer in self.offers:
            if memo in offer.document.files:
                return offer.document.files[memo]
        return None

    def listing(self, files: str) -> bytes | None:
        for offer in self.offers:
            blob = offer.document.lists.get(files)
            # It only explains: a cache that does not give it is no worse for it.
            with contextlib.suppress(LaminaError):
                if blob is not None:
                    return offer.place.small(blob)
        return None

    def cache_mount(self, name: str) -> str | None:
        for offer in self.offers:
            for mount in offer.document.mounts if offer.source.mounts else ():
                if mount.name == name:
                    path = self._filled(offer, mount)
                    if path is not None:
                        return path
        return None

    def _filled(self, offer: Offer, mount: SharedMount) -> str | None:
        """A folder with a cache mount's files; None, and a warning, if that fails."""
        path = self._workspace.directory(f"mount-{os.urandom(6).hex()}")
        packed, stop = mount.packed, Stop()
        self._begin(stop)
        try:
            times = offer.place.small(packed.times)
            with offer.place.read(packed.blob, self._tell(offer), stop) as read:
                receive_files(self._store, packed, read, times, path)
        except Stopped:
            raise _stopped() from None
        except LaminaError as error:
            remove_tree(path)
            text = f"the cache mount {mount.id} of {offer.name} is left out"
            self._emit(warning(f"{text}: {error.message}"))
            return None
        finally:
            self._end(stop)
        return path

    def likest(self, key: CacheKey, name: str) -> tuple[str, str] | None:
        return likest(self.offers, key, name)

    def bring(self, layers: Iterable[str]) -> None:
        missing = self._store.missing_layers(layers)
        if not missing:
            return
        stop = Stop()
        self._begin(stop)
        lost: list[Digest] = []

        def one(content: Digest) -> None:
            if not self._fetch(content, stop):
                lost.append(content)

        try:
            side_by_side(one, missing, _JOBS, stop)
        except Stopped:
            raise _stopped() from None
        finally:
            self._end(stop)
        if lost:
            raise LayersLost(
                f"No cache gives the layer {lost[0].short}, which one promised.",
                hint="Build without --cache-from.",
            )

    def _begin(self, stop: Stop) -> None:
        """Let `stop` be set when the build is stopped."""
        with self._moving:
            if self._stopped:
                raise _stopped()
            self._stops.add(stop)

    def _end(self, stop: Stop) -> None:
        """A transfer is told to have ended when nothing more is on its way."""
        with self._moving:
            self._stops.discard(stop)
            told = () if self._stops else tuple(self._told.values())
            if told:
                self._told = {}
        for each in told:
            each.end()

    # What was opened

    def _open_all(self) -> tuple[Offer, ...]:
        sources = tuple(dict.fromkeys(self._inputs.cache_from))
        found: dict[CacheSource, Offer] = {}

        def one(source: CacheSource) -> None:
            offer = open_offer(source, self._open_session, self._emit)
            if offer is not None:
                found[source] = offer

        side_by_side(one, sources, _JOBS)
        return tuple(found[source] for source in sources if source in found)

    def _open_session(self) -> Session:
        if self._inputs.registries is None:
            raise RegistryError("This build asks no registry (--pull=never).")
        with self._session_lock:
            if self._session is None:
                self._session = self._inputs.registries()
            return self._session

    # Layers on their way

    def _is_promised(self, content: Digest) -> bool:
        return self._store.layer(content) is not None or any(
            content in offer.layers and (offer.name, content) not in self._bad
            for offer in self.offers
        )

    def _note_hit(self, found: Record) -> None:
        """In the local cache at once, or when its layers have come."""
        missing = self._store.missing_layers(found.result)
        if not missing:
            self._record(found)
        with self._lock:
            for content in missing:
                self._promised.setdefault(content, []).append(found)

    def _record(self, found: Record) -> None:
        key = CacheKey(found.key, found.fields)
        created = min(found.created, int(time.time()))
        record(self._store, key, found.result, found.name, created)

    def _fetch(self, content: Digest, stop: Stop) -> bool:
        """Have one layer; false when nobody gives it."""
        with self._store.alone(f"layer-{content}", stop.is_set):
            there = self._store.layer(content) is not None
            there = there or any(
                self._from(offer, content, stop)
                for offer in self.offers
                if (offer.name, content) not in self._bad
            )
        if not there:
            return False
        with self._lock:
            hits = self._promised.pop(content, [])
        for found in hits:
            if self._store.has_layers(found.result):
                self._record(found)
        return True

    def _from(self, offer: Offer, content: Digest, stop: Stop) -> bool:
        layer = offer.layers.get(content)
        if layer is None:
            return False
        packed, place = layer.packed, offer.place
        epoch = self._inputs.epoch.seconds
        try:
            times = place.small(packed.times)
            with place.read(packed.blob, self._tell(offer), stop) as read:
                receive_layer(self._store, layer, read, times, self._workspace, epoch)
        except InUse:
            raise
        except LaminaError as error:
            self._give_up(offer, content, error)
            return False
        if packed.compressor:
            compressor = packed.compressor
            remember_blob(self._store, packed.diff_id, compressor, packed.blob)
        if place.home is not None:
            remember_home(self._store, packed.blob.digest, place.home)
        return True

    def _tell(self, offer: Offer) -> Told:
        with self._moving:
            what = f"cache from {offer.name}"
            return self._told.setdefault(what, Told(what, self._emit, LEAST_TOLD))

    def _give_up(self, offer: Offer, content: Digest, error: LaminaError) -> None:
        """Believe the cache no more: in this layer, or at all where it is gone."""
        gone = isinstance(error, RegistryError) and not isinstance(error, Missing)
        with self._lock:
            if offer.name in self._down:
                return
            self._bad.add((offer.name, content))
            if gone:
                self._down.add(offer.name)
        what = "is asked no more" if gone else "does not give a layer"
        self._emit(warning(f"the cache {offer.name} {what}: {error.message}"))


def _stopped() -> InUse:
    return InUse("Stopped while layers were fetched from a cache.")
