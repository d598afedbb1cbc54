"""Bases from registries: what the store has not, or only an older version of."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lamina.builder.events import Note, Transfer
from lamina.builder.meter import Waiting
from lamina.oci.errors import InvalidReference
from lamina.oci.platforms import host_platform, parse_platform
from lamina.oci.reference import parse_reference
from lamina.oci.store import journal
from lamina.oci.store.images import SHOWN_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.builder.events import Emit
    from lamina.oci.digest import Digest
    from lamina.oci.registry.progress import Progress
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Image, Store

    OpenSession = Callable[[], Session]


def pull_base(
    store: Store, open_session: OpenSession, name: str, platform: str, emit: Emit
) -> Image:
    """The image that `name` means at its registry now, in the store.

    It gets its name there, unless it is for another machine than this one and the
    name is taken. Raises LaminaError.
    """
    from lamina.oci.registry.transfers.pull import pull

    reference = parse_reference(name)
    wanted = parse_platform(platform) if platform else host_platform()
    with Told(f"pull {reference.familiar()}", emit) as told, open_session() as session:
        pulled = pull(store, session, reference, wanted, told)
    emit(Note(f"pulled {reference.familiar()}: {pulled.digest}"))
    known = store.resolve_id(name, digits=SHOWN_DIGITS)
    if reference.digest is None and (known is None or wanted == host_platform()):
        store.tag(reference, pulled.image.id)
    name = reference.familiar()
    journal.note_image(store.root, "pull", name, reference.familiar_name)
    return pulled.image


def pulled_before(store: Store, name: str, platform: str) -> Image | None:
    """The image that was pulled for this name and platform, if it is still here."""
    from lamina.oci.registry.transfers.known import known_name

    try:
        reference = parse_reference(name)
    except InvalidReference:
        return None
    wanted = parse_platform(platform) if platform else host_platform()
    identity = known_name(store, reference, wanted)
    return None if identity is None else store.image(identity)


class Told:
    """The progress of all layers as that of one transfer, `what`; what has less than
    `least` bytes in all is not worth a word."""

    def __init__(self, what: str, emit: Emit, least: int = 0) -> None:
        self._what = what
        self._emit = emit
        self._least = least
        self._blobs: dict[Digest, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._waiting: Waiting | None = None

    def __enter__(self) -> Told:
        """The wait for the first byte is told too, and the end by itself unless
        something is raised."""
        self._waiting = Waiting(self._what, self._emit)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._waiting is not None:
            self._waiting.over()
        if kind is None:
            self.end()

    def __call__(self, event: Progress) -> None:
        from lamina.oci.registry.progress import Moved, Noted

        if isinstance(event, Noted):
            self._emit(Note(event.text))
        # Compression comes before the push of its result, whose bytes count.
        if not isinstance(event, Moved) or event.act == "compress":
            return
        if self._waiting is not None:
            self._waiting.over()
        with self._lock:
            self._blobs[event.digest] = (event.done, event.total)
            done, total = self._sums()
            # The next blob may not be known yet: `end` says when all is done.
            if done < total and total >= self._least:
                self._emit(Transfer(self._what, done, total))

    def end(self) -> None:
        """All is here."""
        total = self._sums()[1]
        if self._blobs and total >= self._least:
            self._emit(Transfer(self._what, total, total))
        elif self._waiting is not None and self._waiting.told:
            self._emit(Transfer(self._what, 0, 0))

    def _sums(self) -> tuple[int, int]:
        done = sum(done for done, _ in self._blobs.values())
        return done, sum(total for _, total in self._blobs.values())
