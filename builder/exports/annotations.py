"""Annotations: what a manifest or an index is to say beside what it is.

`--annotation` of buildx and `annotation...` of an exporter, for one platform or all
(`manifest[linux/arm64]:KEY=VALUE`):

manifest                the image's manifest
manifest-descriptor     the entry that leads to it
index                   the index of an image for several platforms
index-descriptor        the entry that leads to that
"""

from __future__ import annotations

from lamina.builder.errors import InvalidOption
from lamina.oci.store.annotations import PLACES
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@value
class Annotation:
    """`platform` "" is all of them."""

    place: str
    platform: str
    key: str
    text: str


def parse_annotation(given: str) -> tuple[Annotation, ...]:
    """`[PLACE[[PLATFORM]],...:]KEY=VALUE`; raises InvalidOption."""
    name, equals, text = given.partition("=")
    places, colon, key = name.partition(":")
    if not colon:
        places, key = "manifest", name
    if not equals or not key:
        raise InvalidOption(
            f"The annotation {given!r} is not KEY=VALUE.",
            hint="Write org.opencontainers.image.title=app, or manifest:KEY=VALUE.",
        )
    return tuple(_annotation(place, key, text) for place in places.split(","))


def parse_attribute(name: str, text: str) -> Annotation | None:
    """`annotation-index[PLATFORM].KEY` of an output; None when it is something else."""
    head, dot, key = name.partition(".")
    # A platform has no dots, so the first one ends what is before the key.
    if not dot or not key or not head.startswith("annotation"):
        return None
    rest = head.removeprefix("annotation")
    if rest and rest[0] not in "-[":
        return None
    place = rest.removeprefix("-") if rest.startswith("-") else f"manifest{rest}"
    return _annotation(place, key, text)


def _annotation(given: str, key: str, text: str) -> Annotation:
    from lamina.oci.platforms import parse_platform

    place, bracket, platform = given.partition("[")
    if place not in PLACES or (bracket and not platform.endswith("]")):
        raise InvalidOption(
            f"There is nothing called {given!r} to annotate.",
            hint=f"The places are {', '.join(PLACES)}.",
        )
    wanted = str(parse_platform(platform[:-1])) if bracket else ""
    return Annotation(place, wanted, key, text)


def at(found: Iterable[Annotation], place: str, platform: str = "") -> dict[str, str]:
    """What `place` of an image for `platform` says; of two the last one counts."""
    return {
        a.key: a.text
        for a in found
        if a.place == place and a.platform in ("", platform)
    }


def require_index(found: Iterable[Annotation]) -> None:
    """Refuse what only an image of several platforms has a place for."""
    for annotation in found:
        if annotation.place.startswith("index"):
            raise InvalidOption(
                f"An image of one platform has no index to annotate with "
                f"{annotation.key!r}.",
                hint="Annotate its manifest, or build for several: --platform a,b.",
            )


def by_place(
    found: tuple[Annotation, ...], places: Iterable[str], platform: str = ""
) -> dict[str, dict[str, str]]:
    """What an image for `platform`, or an index, says in each of `places`."""
    texts = {place: at(found, place, platform) for place in places}
    return {place: pairs for place, pairs in texts.items() if pairs}
