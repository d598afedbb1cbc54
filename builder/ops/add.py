"""What ADD does beyond COPY: local archives unpack where they arrive.

A tar, plain or in gzip, bzip2, xz or zstd, told by its content: its first header has
to be one. It is unpacked like `tar -x` does it as root, into the merged root, so that
an archive with `lib/` follows a base's link `lib -> usr/lib`.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from lamina.builder.fetching.fetched import FetchedFile
from lamina.builder.fetching.unpacking import Unpacking, is_archive
from lamina.builder.ops.copier import opened
from lamina.builder.ops.files import Arrival, Onto, copy_into, make_directory
from lamina.builder.sources.items import FileItem
from lamina.oci.files.removal import remove_tree
from lamina.oci.streams.compression import open_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.builder.ops.files import Inline
    from lamina.builder.sources.items import Item


def add_into(
    items: Iterable[Item | Inline | FetchedFile],
    onto: Onto,
    arrival: Arrival,
    unpacking: Unpacking = Unpacking(),  # noqa: B008 (a value)
) -> None:
    """Add `items` in their order. Raises what `copy_into` does, and InvalidArchive."""
    waiting: list[Item | Inline | FetchedFile] = []
    items = tuple(items)
    several = len(items) > 1
    for item in items:
        with _archive(item, unpacking.wanted) as archive:
            if archive is None:
                waiting.append(item)
                continue
            copy_into(waiting, onto.view, onto.upper, arrival, several=several)
            waiting = []
            _unpack(archive, onto, arrival, unpacking)
    copy_into(waiting, onto.view, onto.upper, arrival, several=several)


@contextlib.contextmanager
def _archive(
    item: Item | Inline | FetchedFile, unpack: bool | None
) -> Iterator[int | None]:
    """A descriptor of the item if it is an archive that has to be unpacked."""
    if isinstance(item, FileItem) and unpack is not False:
        with opened(item) as fd:
            yield fd if fd is not None and is_archive(fd) else None
    elif isinstance(item, FetchedFile) and unpack:
        fd = os.open(item.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield fd if is_archive(fd) else None
        finally:
            os.close(fd)
    else:
        yield None


def _unpack(archive: int, onto: Onto, arrival: Arrival, unpacking: Unpacking) -> None:
    from lamina.oci.errors import ArchiveTooLarge
    from lamina.oci.layers.extract import Overrides, extract
    from lamina.oci.streams.decompress import Bounds
    from lamina.oci.tar.reader import Limits

    dest = arrival.dest.rstrip("/") + "/"
    there = Arrival(dest, arrival.owner)
    make_directory(onto.view, onto.upper, there)
    limit = unpacking.bytes_from(archive)
    # Headers of small files are more than the files.
    bounds = Bounds(limit + (1 << 30), ratio=1 << 30) if unpacking.limit else Bounds()
    with _writable(onto) as root:
        read = open_stream(lambda size: os.read(archive, size), bounds)
        overrides = Overrides(arrival.owner)
        try:
            extract(read, root, dest, overrides, Limits(bytes=limit))
        except ArchiveTooLarge as error:
            error.hint = "If that is what you want: --unpack-limit 100g, or as needed."
            raise


@contextlib.contextmanager
def _writable(onto: Onto) -> Iterator[int]:
    """The merged root as a directory to write in; what is written is the layer's."""
    if not onto.lowers:
        fd = os.open(onto.upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
        return
    from lamina.runtime.isolation.snapshot import Snapshot, mount

    work = f"{onto.upper}.work"
    os.mkdir(work, 0o700)
    try:
        root = mount(Snapshot(onto.lowers, onto.upper, work))
        try:
            yield root
        finally:
            os.close(root)
    finally:
        remove_tree(work)
