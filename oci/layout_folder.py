"""An OCI layout as a folder that several images come to share.

Blobs have their names once they are whole, and `index.json` is replaced at the end:
whoever reads the layout meanwhile sees what was there before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lamina.oci.archive_writer import FolderWriter, folder_at
from lamina.oci.errors import InvalidArchive
from lamina.oci.layout import INDEX, LAYOUT
from lamina.oci.manifest import Descriptor, Index, parse_manifest


@contextlib.contextmanager
def layout_at(path: str) -> Iterator[tuple[FolderWriter, tuple[Descriptor, ...]]]:
    """A writer for the folder `path`, and the entries of the layout that is there.

    Where there is none, the folder has its name when all is done. Raises
    InvalidArchive for a folder of other files.
    """
    entries = _entries(path)
    if entries is None:
        with folder_at(path) as place:
            yield FolderWriter(place), ()
        return
    if not os.access(path, os.W_OK):
        raise InvalidArchive(f"The layout {path!r} cannot be written.")
    yield FolderWriter(path), entries


def _entries(path: str) -> tuple[Descriptor, ...] | None:
    if not os.path.exists(f"{path}/{LAYOUT}"):
        return None
    try:
        with open(f"{path}/{INDEX}", "rb") as file:
            found = parse_manifest(file.read())
    except FileNotFoundError:
        return ()
    if not isinstance(found, Index):
        raise InvalidArchive(f"{path}/{INDEX} is not an index.")
    return found.manifests
