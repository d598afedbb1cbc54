"""Annotations of images in the store: what is written when one is saved or pushed.

They are no part of an image's ID, which is the digest of its config.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.store.store import Store

MANIFEST = "manifest"
MANIFEST_DESCRIPTOR = "manifest-descriptor"
INDEX = "index"
INDEX_DESCRIPTOR = "index-descriptor"
PLACES = (MANIFEST, MANIFEST_DESCRIPTOR, INDEX, INDEX_DESCRIPTOR)


def annotate(
    store: Store, identity: str, texts: Mapping[str, Mapping[str, str]]
) -> None:
    """Let an image or an index say `texts`, by place, and nothing that it said before.

    Most say nothing, and then nothing is written.
    """
    if texts == annotated(store, identity):
        return
    with store.transaction() as run:
        run.execute("DELETE FROM annotation WHERE image=?", (identity,))
        run.executemany(
            "INSERT INTO annotation VALUES (?,?,?,?)",
            [
                (identity, place, key, text)
                for place, pairs in texts.items()
                for key, text in sorted(pairs.items())
            ],
        )


def annotated(store: Store, identity: str) -> dict[str, dict[str, str]]:
    """What an image or an index is to say, by place; only places that say something."""
    found: dict[str, dict[str, str]] = {}
    for place, key, text in store.index.rows(
        "SELECT place, key, value FROM annotation WHERE image=? ORDER BY place, key",
        identity,
    ):
        found.setdefault(place, {})[key] = text
    return found
