"""An OCI layout as a folder that several images come to share.

Blobs have their names once they are whole, and `index.json` is replaced at the end:
whoever reads the layout meanwhile sees what was there before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator

from lamina.oci.archives.layout import INDEX, LAYOUT, LAYOUT_JSON, blob_name
from lamina.oci.archives.writer import FolderWriter, folder_at
from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidArchive, InvalidImage
from lamina.oci.manifest import Descriptor, Index
from lamina.oci.manifest_json import parse_manifest

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# What FolderWriter calls a file that is not whole yet.
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}")


@contextlib.contextmanager
def layout_at(
    path: str, tell: Callable[[int], object] = lambda _bytes: None
) -> Iterator[tuple[FolderWriter, tuple[Descriptor, ...]]]:
    """A writer for the folder `path`, and the entries of the layout that is there.

    Where there is none, the folder has its name when all is done. Raises
    InvalidArchive for a folder of other files.
    """
    entries = _entries(path)
    if entries is None:
        with folder_at(path) as place:
            yield FolderWriter(place, tell), ()
        return
    if not os.access(path, os.W_OK):
        raise InvalidArchive(f"The layout {path!r} cannot be written.")
    yield FolderWriter(path, tell), entries


@contextlib.contextmanager
def kept_layout(path: str) -> Iterator[tuple[FolderWriter, tuple[Descriptor, ...]]]:
    """As `layout_at`, for a folder that is written to again and again: one writer at a
    time, who waits for others, and no blob stays that a replaced entry alone had.

    The folder may be there and empty; it may be a mount point.
    """
    try:
        os.makedirs(path, exist_ok=True)
        folder = os.open(path, _DIRECTORY)
    except OSError as error:
        raise InvalidArchive(
            f"The layout {path!r} cannot be written: {error.strerror}."
        ) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        writer = FolderWriter(path)
        before = _begun(path, writer)
        yield writer, before
        _sweep(path, before, _entries(path) or ())
    finally:
        os.close(folder)


def check_kept(path: str) -> None:
    """Raise InvalidArchive unless `kept_layout` can be used for the folder `path`."""
    place = path
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise InvalidArchive(f"{place!r} is no folder.", hint="Name another place.")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise InvalidArchive(
            f"{path!r} cannot be written: you may not write in {place!r}.",
            hint="Name a place of your own.",
        )
    names = os.listdir(path) if place == path else []
    if LAYOUT not in names and not all(map(_UNFINISHED.fullmatch, names)):
        raise InvalidArchive(
            f"The folder {path!r} holds other files than an OCI layout.",
            hint="Name a new or an empty one.",
        )


def _begun(path: str, writer: FolderWriter) -> tuple[Descriptor, ...]:
    """The entries of the layout; one is begun in a folder that is empty."""
    check_kept(path)
    names = os.listdir(path)
    for name in filter(_UNFINISHED.fullmatch, names):
        # Its writer died: we are alone here.
        os.unlink(f"{path}/{name}")
    if LAYOUT not in names:
        writer.add(LAYOUT, LAYOUT_JSON)
    return _entries(path) or ()


def _sweep(
    path: str, before: tuple[Descriptor, ...], after: tuple[Descriptor, ...]
) -> None:
    """Remove the blobs that only entries had that are gone."""
    try:
        kept = _reached(path, after)
    except (InvalidImage, InvalidArchive, OSError):
        return  # who knows what that needs
    for entry in before:
        with contextlib.suppress(InvalidImage, InvalidArchive, OSError):
            for digest in _reached(path, (entry,)) - kept:
                os.unlink(f"{path}/{blob_name(digest)}")


def _reached(path: str, entries: tuple[Descriptor, ...]) -> set[Digest]:
    """The blobs that these entries lead to."""
    found: set[Digest] = set()
    left = list(entries)
    while left:
        entry = left.pop()
        if entry.digest in found:
            continue
        found.add(entry.digest)
        with open(f"{path}/{blob_name(entry.digest)}", "rb") as file:
            document = parse_manifest(file.read(), entry.media_type)
        if isinstance(document, Index):
            left += document.manifests
        else:
            found.update(b.digest for b in (document.config, *document.layers))
    return found


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
