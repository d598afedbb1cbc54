"""Layer: a changeset in the store, as its row has it."""

from __future__ import annotations

from lamina.oci.digest import Digest
from lamina.values import value

# `Layer.since` of a layer whose times are given: no epoch touches them.
NEVER = -1


@value
class Layer:
    """A changeset in the store.

    `content` names it; `diff_id` is the digest of the tar that it was published
    with; `since` (ns) says which of its files are new, and so follow the epoch.
    """

    content: Digest
    diff_id: Digest
    bytes: int
    entries: int
    since: int
