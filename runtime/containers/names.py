"""Names and IDs of containers: what they may be, and ones to give."""

from __future__ import annotations

import os

from lamina.runtime.errors import ContainerError

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")

# Words of the trade: what layers are like, and those who read the earth in them.
_ADJECTIVES = """
alluvial amber ancient arching banded basal bright brisk calm cemented chalky
clastic clear coarse coastal crystalline deep drifting eroded faulted fine flinty
fluvial folded fossil gentle glacial golden grainy granitic hidden igneous inclined
laminar layered limpid loamy lofty lucid lunar marly mellow mineral molten nimble
opaline patient pelagic plucky polished porous primal quiet rippled rugged sandy
serene silty slatey solid sparkling steady stratified sturdy sunlit tectonic tidal
tilted tranquil upland veined vivid volcanic weathered
"""
_SURNAMES = """
agassiz agricola alvarez anning bascom bowen brongniart chamberlin conybeare cuvier
dana darwin desmarest dutton eaton gilbert goldschmidt gressly hayden hess hilgard
holmes hooke hutton jeffreys kelly kircher lapworth lehmann lomonosov lyell mantell
marsh maury mawson mohorovicic mohs murchison murray naumann oldham patterson penck
playfair powell richter rosenbusch sedgwick shackleton smith sorby steno suess tharp
urey ussher vernadsky vine walcott walther wegener werner whewell wilson zittel
"""


def new_id() -> str:
    """64 hexadecimal digits; never only decimal ones in front, as host names."""
    while True:
        identity = os.urandom(32).hex()
        if not identity[:12].isdecimal():
            return identity


def check(name: str) -> str:
    """`name` without a leading slash; raises ContainerError as Docker refuses it."""
    bare = name.removeprefix("/")
    if len(bare) < 2 or bare[0] not in _FIRST or not _REST.issuperset(bare):
        raise ContainerError(
            f"Invalid container name {name!r}.",
            hint="Two or more of [a-zA-Z0-9_.-], the first a letter or a digit.",
        )
    return bare


def generate(attempt: int) -> str:
    """`adjective_surname`; with a digit once some `attempt`s were in use."""
    first, second, digit = os.urandom(3)
    adjectives, surnames = _ADJECTIVES.split(), _SURNAMES.split()
    name = f"{adjectives[first % len(adjectives)]}_{surnames[second % len(surnames)]}"
    return f"{name}{digit % 10}" if attempt > 4 else name
