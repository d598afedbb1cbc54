"""Copies of what steps mount from a context, kept as layers for the next step that
mounts the same.

To write 20,000 files takes seconds, and to delete them as long; in a loop of editing
and compiling nearly all of them are those of a moment ago. So a copy stays, under the
digest of its files, as the layer of a COPY would: the next one is it, or has what did
not change as links to its files (previous.py). Nothing is ever written to it, and it is
collected as all of the cache is.

A layer's name knows no times, and a step does see them (`make`): where a file has
another one now, the copy is one step's own.
"""

from __future__ import annotations

import json
import os

from lamina.builder.caching.cache import lookup, record
from lamina.builder.ops.files import Arrival, copy_into
from lamina.builder.ops.previous import Previous
from lamina.builder.solving.cachekey import CacheKey
from lamina.builder.sources.items import FileItem, Selection, TreeItem
from lamina.builder.sources.record import MTIME, RECORD_SIZE, unpack_record
from lamina.builder.sources.selection import size_of
from lamina.oci.digest import Digest
from lamina.oci.store.store import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.builder.sources.listing import Listing
    from lamina.oci.store.store import Store

# A change of how files are copied needs another version here.
_VERSION = 1
# What is smaller than this is copied as quickly as it is looked for.
_FEW = 64
_SMALL = 4 << 20


def copy_of(
    store: Store,
    selection: Selection,
    dest: str,
    context: str,
    place: Callable[[], str],
    cancelled: Callable[[], bool],
) -> str:
    """A directory with the files of a selection below `dest`, not to be written to.

    `context` is the folder that they come from; `place` makes an empty directory for a
    copy. Raises SourceChanged for what is not as it was chosen.
    """
    arrival = Arrival(dest)
    if _is_small(selection):
        made = place()
        copy_into(selection.items, None, made, arrival)
        return made
    fields = {"kind": "mounted", "version": _VERSION, "dest": dest}
    fields["files"] = selection.digest
    text = json.dumps(fields, sort_keys=True)
    key = CacheKey(Digest.of(text.encode()), text)
    with store.alone(key.digest, cancelled):
        found = lookup(store, key)
        if found:
            path = store.layer_path(found[0])
            if _has_times(path, dest, selection):
                return path
        made = place()
        previous = Previous(store, f"mounted {dest}", context)
        try:
            copy_into(selection.items, None, made, arrival, previous=previous)
        finally:
            previous.close()
        if found:
            return made  # its times are others, and its content has one layer
        return _kept(store, key, made, selection, dest, previous)


def _kept(
    store: Store,
    key: CacheKey,
    made: str,
    selection: Selection,
    dest: str,
    previous: Previous,
) -> str:
    """The copy `made` as a layer, if it can be one."""
    from lamina.oci.layers.pack import Times, pack

    packed = pack(made, Times(None, 0), None, store.xattrs)
    layer = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
    content = store.publish_layer(made, layer).content
    path = store.layer_path(content)
    if os.path.lexists(made) and not _has_times(path, dest, selection):
        return made  # a COPY made the same of files with other times
    record(store, key, (content,), "files of a context that a step mounts")
    previous.remember(key)
    return path


def _is_small(selection: Selection) -> bool:
    files = 0
    for item in selection.items:
        if isinstance(item, TreeItem):
            files += sum(len(one.records) for one in item.listings) // RECORD_SIZE
    return files < _FEW and sum(map(size_of, selection.items)) < _SMALL


def _has_times(root: str, dest: str, selection: Selection) -> bool:
    """Whether the copies in a layer have the times of their originals."""
    for item in selection.items:
        if isinstance(item, FileItem):
            rows: Iterator[tuple[str, int]] = iter([("", _mtime(item.entry.record))])
        else:
            rows = _times(item.listings)
        for path, mtime in rows:
            whole = f"{root}{dest.rstrip('/')}/{path}".rstrip("/")
            try:
                if os.lstat(whole).st_mtime_ns != mtime:
                    return False
            except OSError:
                return False
    return True


def _times(listings: tuple[Listing, ...]) -> Iterator[tuple[str, int]]:
    """Each path in a tree, with its time (ns); the tree itself has one of its own."""
    top = listings[0].path
    skip = len(top) + 1 if top else 0
    for listing in listings:
        inner = listing.path[skip:]
        if inner:
            yield inner, _mtime(listing.record)
        for at, name in enumerate(listing.names):
            row = listing.records[at * RECORD_SIZE : (at + 1) * RECORD_SIZE]
            yield f"{inner}/{name}" if inner else name, _mtime(row)


def _mtime(row: bytes) -> int:
    found: int = unpack_record(row)[MTIME]
    return found
