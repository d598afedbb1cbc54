"""Definitions, uses and new names of stages and variables."""

from __future__ import annotations

from lamina.lang.assist.scope import (
    Occurrence,
    StageName,
    Variable,
    occurrence_at,
    occurrences,
)
from lamina.lang.source import RecipeError, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.assist.reading import Reading


def definition(reading: Reading, offset: int) -> Span | None:
    """Where the name at `offset` is made. From a stage's `ARG NAME` it is the ARG
    above the first FROM; from any other definition the place itself."""
    found = occurrence_at(reading, offset)
    if found is None or found.target is None:
        return None
    target = found.target
    here = target.place.start == found.place.start
    if here and isinstance(target, Variable) and target.outer is not None:
        return target.outer.place
    return target.place


def references(reading: Reading, offset: int) -> tuple[Span, ...]:
    """Every place of the name at `offset`, where it is made among them."""
    found = occurrence_at(reading, offset)
    if found is None or found.target is None:
        return ()
    places = {
        other.place.start: other.place
        for other in occurrences(reading)
        if _same(found, other)
    }
    return tuple(place for _, place in sorted(places.items()))


def _same(one: Occurrence, other: Occurrence) -> bool:
    """Whether two places mean one thing. Variables of one name hang together, since
    each ARG and ENV takes over what was there."""
    if isinstance(one.target, Variable):
        return isinstance(other.target, Variable) and other.name == one.name
    if isinstance(one.target, StageName) and isinstance(other.target, StageName):
        return one.target.index == other.target.index
    return False


def rename(reading: Reading, offset: int, name: str) -> tuple[Span, ...]:
    """The places to write `name` at. A stage's number stays.

    Raises RecipeError for a name that cannot be one.
    """
    found = occurrence_at(reading, offset)
    if found is None or found.target is None:
        return ()
    if isinstance(found.target, StageName):
        first, rest = name[:1].lower(), name.lower().translate(_SIGNS)
        good = "a" <= first <= "z" and rest.isascii() and rest.isalnum()
        hint = "A name starts with a letter and goes on with a-z, 0-9, `-_.`."
    else:
        good = name.isidentifier()
        hint = "A name starts with a letter or _ and goes on with those and digits."
    if not good:
        raise RecipeError(f"{name!r} cannot be the new name.", found.place, hint=hint)
    places = references(reading, offset)
    return tuple(place for place in places if not place.text.isdigit())


_SIGNS = str.maketrans("", "", "-_.")
