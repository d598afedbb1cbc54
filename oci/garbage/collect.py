"""Collecting garbage while others work.

What keeps a layer: an image that stays, a container's pin, a row of the build cache
that stays, and a live workspace. A process that builds, loads or imports holds a
workspace (flocked, so that it ends with its process), and whatever was used since an
hour before the oldest one was made may be in its hands: `used` is written that coarsely
(Layers.touch).

Collecting is a transaction while no workspace can be made: rows go, then the files
without a row are renamed into `trash/`, and only afterwards, at leisure, deleted. A
process that dies in between leaves files without rows and full trash for the next time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.files.workspace import held, made, names
from lamina.oci.garbage.cache import drop_cache, drop_memos, surplus
from lamina.oci.garbage.images import drop_images, superfluous
from lamina.oci.garbage.layers import drop_layers, drop_orphans
from lamina.oci.garbage.policy import ALWAYS, Collected, Policy
from lamina.oci.garbage.trash import empty_trash, remove_locks, to_trash
from lamina.oci.store.reserve import keep
from lamina.oci.store.shelf import COARSE

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.digest import Digest
    from lamina.oci.store.store import Store


def collect(store: Store, policy: Policy) -> Collected:
    """Remove what `policy` lets go and nothing else needs. Safe beside builds."""
    parent = f"{store.root}/tmp"
    # On a full disk no row can be deleted before this made room.
    empty_trash(store)
    with held(parent, alone=True):
        living, dead = names(parent)
        for name in dead:
            to_trash(store, f"{parent}/{name}")
        horizon = _horizon(living)
        with store.transaction() as run:
            collected = _sweep(store, run, policy, horizon)
        if collected is None:
            collected = Collected()
        else:
            # Once that is sure; and nobody adds a file and its row meanwhile.
            with store.transaction() as run:
                drop_orphans(store, run)
    empty_trash(store)
    remove_locks(store)
    keep(store.root)
    return collected


def collect_layers(store: Store) -> tuple[Digest, ...]:
    """Remove only layers that no image, container, cache row or process needs."""
    return collect(store, Policy()).layers


def horizon(store: Store) -> int:
    """What was used since then (Unix seconds) may be in somebody's hands."""
    parent = f"{store.root}/tmp"
    return _horizon(names(parent)[0])


def _horizon(living: list[str]) -> int:
    oldest = min(map(made, living), default=None)
    # And a little, for a clock that was set.
    return ALWAYS if oldest is None else oldest - COARSE - 60


def _sweep(
    store: Store, run: sqlite3.Connection, policy: Policy, horizon: int
) -> Collected | None:
    # Before images: some stay for as long as they are remembered.
    drop_memos(run, policy, horizon)
    images = superfluous(run, policy, horizon)
    if policy.space is not None and not surplus(store, run, policy.space, images):
        return None
    references = drop_images(run, images)
    steps = drop_cache(store, run, policy, horizon)
    layers, size = drop_layers(run, horizon)
    return Collected(references, images, layers, steps, size)
