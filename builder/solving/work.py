"""Work: a step that has to run, and Hit: what is known of one."""

from __future__ import annotations

from lamina.builder.solving.cachekey import CacheKey
from lamina.builder.solving.layers import Layers
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.builder.solving.graph import Step


@value
class Work:
    """A step that has to run: its key, and the layers of itself and of what it reads.

    `below` is the parent's chain, bottom first; `origins` the chains of `reads`.
    """

    step: Step
    key: CacheKey
    below: Layers
    origins: Mapping[int, Layers]


@value
class Hit:
    """What a step adds to the layers below it (a test: nothing), as the cache knows;
    `source` is the other machine's cache that said so, "" for this one's."""

    layers: Layers
    source: str = ""
