"""Shelf: what every part of the store stands on, its folder and its index."""

from __future__ import annotations

import os

from lamina.oci.errors import NotFound
from lamina.oci.store.index import Index, Transaction

# `used` is written when it is this much older, so that a cached build writes nothing.
COARSE = 3600


class Shelf:
    """The folder `root` and its index. `xattrs` is the namespace of overlay's own
    attributes there, trusted or user."""

    def __init__(self, root: str, index: Index, xattrs: str) -> None:
        self.root = root
        self.index = index
        self.xattrs = xattrs
        # In the trash, for a process that nobody waits for.
        self._discarded: list[str] = []

    def transaction(self) -> Transaction:
        """All or nothing, alone among writers; do nothing slow in it."""
        return self.index.transaction()

    def layer_path(self, content: str) -> str:
        """Where the layer named `content` lies, whether or not it is there."""
        return f"{self.root}/layers/{content[7:]}"

    def skeleton_path(self, content: str) -> str:
        """Where the skeleton of an applied layer lies, if it has one."""
        return f"{self.root}/skeletons/{content[7:]}"

    def discard(self, path: str) -> None:
        """Rename `path` into the trash, then delete it there."""
        trash = self.trash_name()
        try:
            os.rename(path, trash)
        except FileNotFoundError:
            return
        from lamina.oci.files.removal import remove_tree

        remove_tree(trash)

    def discard_later(self, path: str) -> None:
        """Rename `path` into the trash; it is deleted there once the store is closed.

        What has many files takes as long to delete as it took to write.
        """
        trash = self.trash_name()
        os.rename(path, trash)
        self._discarded.append(trash)

    def trash_name(self) -> str:
        """A new name in the trash."""
        return f"{self.root}/trash/{os.urandom(8).hex()}"


def boot_id() -> str:
    """The kernel's name for this boot (proc(5), random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()


def missing_layer(digest: str) -> NotFound:
    """The error that says that a layer is not here; raise it."""
    return NotFound(
        f"The layer {digest[:19]} is not in the store.",
        hint="Pull, load or build its image again.",
    )
