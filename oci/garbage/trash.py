"""What is to be deleted at leisure, and locks that nobody holds."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from lamina.oci.files.removal import remove_tree

if TYPE_CHECKING:
    from lamina.oci.store.store import Store


def to_trash(store: Store, path: str) -> None:
    """Take a file or a folder out of the way, at once."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, store.trash_name())


def empty_trash(store: Store) -> None:
    """Delete what anybody put there; others may be deleting it too."""
    trash = f"{store.root}/trash"
    for name in os.listdir(trash):
        remove_tree(f"{trash}/{name}")


def remove_locks(store: Store) -> None:
    """Lock files whose holders died: nobody waits for one that is free."""
    folder = f"{store.root}/locks"
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                os.unlink(path)
        os.close(descriptor)
