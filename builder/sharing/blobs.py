"""Blobs: the layers of a cache on their way to an outlet, each sent once and only
where it is not there.

A layer that is here is packed; one that only another cache has, which the build asked
and never needed it from, goes as the blob it is there.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from lamina.builder.events import warning
from lamina.builder.sharing.places import open_place
from lamina.errors import LaminaError
from lamina.oci.digest import Digest
from lamina.oci.files.hashed_file import write_file
from lamina.oci.manifest import Descriptor
from lamina.oci.registry.progress import nothing
from lamina.oci.registry.transfers.download import check_digest
from lamina.oci.registry.transfers.known import known_home, remember_home
from lamina.oci.threads import Stop, side_by_side
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lamina.builder.events import Emit
    from lamina.builder.sharing.document import Packed, SharedLayer
    from lamina.builder.sharing.offers import Offer
    from lamina.builder.sharing.outlets import Outlet
    from lamina.builder.sharing.packing import Packing
    from lamina.builder.sharing.places import OpenSession, Place
    from lamina.oci.registry.session import Session
    from lamina.oci.registry.transfers.known import Home
    from lamina.oci.store.store import Layer, Store

_CHUNK = 1 << 20
# How many layers at a time.
_JOBS = 4


class Origins:
    """The caches that a build asked, opened once more where a blob has to be copied;
    `stack` closes what was opened."""

    def __init__(
        self,
        offers: Sequence[Offer],
        open_session: OpenSession | None,
        stack: contextlib.ExitStack,
    ) -> None:
        self._offers = offers
        self._open_session = open_session
        self._stack = stack
        self._lock = threading.Lock()
        self._opened: dict[str, Place] = {}

    def layer(self, content: Digest) -> tuple[Offer, SharedLayer] | None:
        """The first cache that has a layer."""
        for offer in self._offers:
            if content in offer.layers:
                return offer, offer.layers[content]
        return None

    def save(self, offer: Offer, blob: Descriptor, path: str, stop: Stop) -> None:
        """Write a blob of a cache to the new file `path`, verified."""
        place = self._place(offer)

        def produce(write: Callable[[bytes], object]) -> None:
            with place.read(blob, nothing, stop) as read:
                while data := read(_CHUNK):
                    write(data)

        digest, _ = write_file(path, produce)
        check_digest(blob, digest)

    def small(self, offer: Offer, blob: Descriptor) -> bytes:
        return self._place(offer).small(blob)

    def _place(self, offer: Offer) -> Place:
        with self._lock:
            if offer.name not in self._opened:
                place = open_place(offer.source.place, self._session)
                # A mirror may have the blobs: asking for the manifest finds it.
                place.manifest()
                self._opened[offer.name] = place
            return self._opened[offer.name]

    def _session(self) -> Session:
        assert self._open_session is not None, "the build asked this registry"
        return self._stack.enter_context(self._open_session())


@value
class Handling:
    """With `keeps` a layer goes on as another cache compressed it; `distrusted` are
    blobs that are sent although something of their name is there."""

    keeps: bool
    distrusted: frozenset[Digest]


class Blobs:
    """Sends blobs to one outlet; threads may send at once. `sent` counts the bytes that
    were new there."""

    def __init__(
        self,
        store: Store,
        outlet: Outlet,
        packing: Packing,
        origins: Origins,
        emit: Emit,
        handling: Handling,
    ) -> None:
        self.sent = 0
        self.packing = packing
        self._store = store
        self._outlet = outlet
        self._origins = origins
        self._emit = emit
        self._handling = handling
        self._lock = threading.Lock()
        self._done: set[Digest] = set()
        self._stop = Stop()

    def send_all(
        self, contents: Iterable[Digest], known: dict[Digest, SharedLayer]
    ) -> frozenset[Digest]:
        """Have all of these layers at the outlet, and note in `known` what they are
        shared as; those that nobody gives."""
        lost: set[Digest] = set()

        def one(content: Digest) -> None:
            sent = self._send(content, known.get(content))
            if sent is not None:
                known[content] = sent
                return
            lost.add(content)
            del known[content]

        stop = self._stop = self.packing.stop = Stop()
        try:
            side_by_side(one, contents, _JOBS, stop)
        finally:
            # What comes next is not stopped by this having been.
            self._stop = self.packing.stop = Stop()
        return frozenset(lost)

    def known(self, content: Digest) -> SharedLayer | None:
        """What a layer is shared as, where that is known without packing it."""
        layer = self._store.layer(content)
        found = self._origins.layer(content)
        offered = None if found is None else found[1]
        if layer is None:
            return offered
        if offered is not None and self._goes_on(layer, offered):
            return offered
        return self.packing.known(content)

    def _goes_on(self, layer: Layer, offered: SharedLayer) -> bool:
        """Whether the layer that is here is the one that another cache has: the same
        files may have been made here too, at another time."""
        packed = offered.packed
        if not self._handling.keeps and packed.compressor != self.packing.version:
            return False
        return packed.diff_id == self._store.known_diff_id(layer, None) or (
            offered.since == layer.since
            and offered.created == self._store.layer_created(layer.content)
        )

    def _send(self, content: Digest, known: SharedLayer | None) -> SharedLayer | None:
        """Have the blobs of a layer at the outlet; what it is shared as.

        `known` is what it was found to be before. None, and a warning, where only
        another cache has it, which does not give it.
        """
        is_here = self._store.layer(content) is not None
        if known is not None and not is_here:
            return self._copy(known)
        path = ""
        if known is None or not self._has(known.packed.blob):
            known, path = self.packing.make(content)
        try:
            self._put(known.packed.blob, path)
        finally:
            _remove(path)
        self.send_times(known.packed, lambda: self.packing.times(content))
        return known

    def send_times(self, packed: Packed, times: Callable[[], bytes]) -> None:
        """Have the blob of a directory's times there, if it has one."""
        self.send_small(packed.times, times)

    def send_small(self, blob: Descriptor, data: Callable[[], bytes]) -> None:
        """Have a small blob there, unless it stands in its descriptor."""
        apart = blob.size and blob.data is None
        if apart and not self._has(blob):
            self.send_bytes(blob.media_type, data())

    def offered(self, offer: Offer, blob: Descriptor) -> bytes:
        """A small blob of another cache."""
        return self._origins.small(offer, blob)

    def send_bytes(self, media_type: str, data: bytes) -> None:
        """Have a small blob there."""
        blob = Descriptor(media_type, Digest.of(data), len(data))
        if self._has(blob):
            return
        path = self.packing.new_path()
        with open(path, "xb") as file:
            file.write(data)
        try:
            self._put(blob, path)
        finally:
            _remove(path)

    def send_made(self, blob: Descriptor, path: str) -> None:
        """Have the blob there that is in the file `path`, which is gone then."""
        try:
            self._put(blob, path)
        finally:
            _remove(path)

    def has(self, packed: Packed) -> bool:
        """Whether a directory that was sent before is there still."""
        return self._has(packed.blob)

    def _copy(self, layer: SharedLayer) -> SharedLayer | None:
        """A layer that only another cache has."""
        found = self._origins.layer(layer.content)
        assert found is not None, "a layer is here or was offered"
        offer, packed = found[0], layer.packed
        path = self.packing.new_path()
        try:
            there = self._has(packed.blob, offer.place.home)
            try:
                if not there:
                    self._origins.save(offer, packed.blob, path, self._stop)
                times = packed.times.data or b""
                if packed.times.size and packed.times.data is None:
                    times = self._origins.small(offer, packed.times)
            except LaminaError as error:
                text = f"the cache {offer.name} does not give a layer: {error.message}"
                self._emit(warning(text))
                return None
            self._put(packed.blob, path)
        finally:
            _remove(path)
        self.send_times(packed, lambda: times)
        return layer

    def _has(self, blob: Descriptor, home: Home | None = None) -> bool:
        """Whether the blob is at the outlet, or can be had there without sending it."""
        with self._lock:
            if blob.digest in self._done:
                return True
        if blob.digest in self._handling.distrusted:
            return False
        home = home or known_home(self._store, blob.digest)
        # A repository has nothing to take over from itself.
        home = None if home == self._outlet.home else home
        if not self._outlet.destination.has(blob, home):
            return False
        self._note(blob)
        return True

    def _put(self, blob: Descriptor, path: str) -> None:
        if self._has(blob):
            return
        self._outlet.destination.put(blob, path, self._stop)
        self._note(blob)
        with self._lock:
            self.sent += blob.size

    def _note(self, blob: Descriptor) -> None:
        with self._lock:
            self._done.add(blob.digest)
        if self._outlet.home is not None:
            remember_home(self._store, blob.digest, self._outlet.home)


def _remove(path: str) -> None:
    """Away with a file that may have been taken."""
    if path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
