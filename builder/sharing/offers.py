"""Offers: what the caches say that a build may ask, and which are worth asking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.builder.caching.wording import distance, is_key
from lamina.builder.events import Note, warning
from lamina.builder.sharing.places import document_at, open_place
from lamina.errors import LaminaError
from lamina.oci.errors import NotFound
from lamina.oci.registry.errors import Missing
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.builder.events import Emit
    from lamina.builder.inputs.cache_places import CacheSource
    from lamina.builder.sharing.document import Document, Record, SharedLayer
    from lamina.builder.sharing.places import OpenSession, Place
    from lamina.builder.solving.cachekey import CacheKey


@value
class Offer:
    """A cache that could be opened: its document, by what it is asked for."""

    source: CacheSource
    place: Place
    document: Document
    records: Mapping[str, Record]
    layers: Mapping[str, SharedLayer]

    @property
    def name(self) -> str:
        return str(self.source.place)


def open_offer(
    source: CacheSource, open_session: OpenSession, emit: Emit
) -> Offer | None:
    """The cache at a place; None, and a note of why, where there is none."""
    try:
        place = open_place(source.place, open_session)
        document = document_at(place)
    except (NotFound, Missing) as error:
        emit(Note(f"no cache at {source.place} yet: {error.message}"))
        return None
    except LaminaError as error:
        emit(warning(f"the cache {source.place} is left out: {error.message}"))
        return None
    return Offer(
        source,
        place,
        document,
        {known.key: known for known in document.records},
        {layer.content: layer for layer in document.layers},
    )


def likest(offers: Iterable[Offer], key: CacheKey, name: str) -> tuple[str, str] | None:
    """The fields of the key that a step like `name` had, the nearest to `key`, and
    which cache has it."""
    place, _, text = name.partition("] ")
    new = json.loads(key.fields)
    found = []
    for offer in offers:
        for known in offer.document.records:
            there, _, does = known.name.partition("] ")
            old = _fields(known) if place == there or text == does else {}
            if old.get("kind") == new["kind"]:
                found.append((distance(old, new), known.fields, offer.name))
    if not found:
        return None
    _, fields, source = min(found, key=lambda each: each[0])
    return fields, source


def _fields(known: Record) -> Mapping[str, object]:
    """The fields of a key, as far as they can be compared with ours."""
    try:
        found = json.loads(known.fields)
    except (ValueError, RecursionError):
        return {}
    return found if is_key(found) else {}
