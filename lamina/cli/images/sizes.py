"""What things of the store take, in bytes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container


def layer_sizes(store: Store) -> dict[str, int]:
    """The bytes of each layer."""
    return dict(store.index.rows("SELECT content, bytes FROM layer"))


def image_layers(store: Store) -> dict[str, set[str]]:
    """The layers of each image."""
    rows = store.index.rows("SELECT id, layers FROM image")
    return {identity: set(layers.split()) for identity, layers in rows}


def total(sizes: dict[str, int], contents: Iterable[str]) -> int:
    """The bytes of these layers together."""
    return sum(sizes.get(content, 0) for content in contents)


def volumes_of(store: Store, container: Container, names: list[str]) -> set[str]:
    """Those of the volumes that a container has."""
    from lamina.runtime.containers.volume_users import volume_names

    return volume_names(store.root, container) & set(names)


def tree_size(path: str) -> int:
    """The bytes of the files at or below `path`, one with several names once; what
    goes meanwhile does not count."""
    if not os.path.isdir(path):
        return os.lstat(path).st_size if os.path.lexists(path) else 0
    size = 0
    linked: set[tuple[int, int]] = set()
    folders = [path]
    while folders:
        # Gone meanwhile, or deeper than a path can say.
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
                identity = (status.st_dev, status.st_ino)
                if status.st_nlink > 1 and identity in linked:
                    continue
                linked.add(identity)
                size += status.st_size
    return size
