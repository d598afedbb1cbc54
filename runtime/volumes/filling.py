"""What the image has at a volume's place goes into a volume that is empty, once.

The files are copied aside and then moved in, so that what dies on the way leaves no
half of a file: it is begun again, or gone on with, by the next container.

    <root>/volumes/NAME/copying   being copied       NAME/copied   being moved in
"""

from __future__ import annotations

import os

from lamina.oci.files.lock import Lock
from lamina.oci.files.removal import remove_tree
from lamina.runtime import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.runtime.volumes.stored import StoredVolume

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def fill(
    stored: StoredVolume, source: int, destination: str, image: Callable[[], int]
) -> None:
    """Give the volume, if it is empty, what the image has at `destination`.

    `source` is its directory or mount; `image` mounts the image, and is called only
    for that. Containers that start side by side do it once.
    """
    data = os.open(f"/proc/self/fd/{source}", _FOLDER)
    try:
        with Lock.of_folder(stored.path):
            if os.path.isdir(f"{stored.path}/copied"):
                _move_in(stored, data)
            elif not os.listdir(data):
                view = image()
                try:
                    _copy(stored, data, view, destination)
                finally:
                    os.close(view)
    finally:
        os.close(data)


def _copy(stored: StoredVolume, data: int, image: int, destination: str) -> None:
    """Nothing happens where the image has no such directory."""
    from lamina.runtime.volumes.copytree import copy_tree

    try:
        source = syscalls.openat2(
            destination.lstrip("/") or ".",
            os.O_RDONLY | os.O_DIRECTORY,
            syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS,
            image,
        )
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if os.fstat(data).st_dev == os.stat(stored.path).st_dev:
            _copy_aside(stored, source)
            _move_in(stored, data)
        else:
            copy_tree(source, data)
    finally:
        os.close(source)


def _copy_aside(stored: StoredVolume, source: int) -> None:
    from lamina.runtime.volumes.copytree import copy_tree

    aside = f"{stored.path}/copying"
    remove_tree(aside)
    os.mkdir(aside, 0o700)
    target = os.open(aside, _FOLDER)
    try:
        copy_tree(source, target)
    finally:
        os.close(target)
    os.rename(aside, f"{stored.path}/copied")


def _move_in(stored: StoredVolume, data: int) -> None:
    """Each entry by a rename; the directory's own attributes last."""
    from lamina.runtime.volumes.copytree import copy_attributes

    aside = f"{stored.path}/copied"
    source = os.open(aside, _FOLDER)
    try:
        info = os.fstat(source)
        for name in os.listdir(source):
            if not _has(data, name):
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=data)
        copy_attributes(source, data, info)
    finally:
        os.close(source)
    remove_tree(aside)


def _has(directory: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True
