"""Layers for tests of sharing, whose files have times to the nanosecond."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamina.builder.sharing.document import SharedLayer
from lamina.builder.sharing.packing import Compression, Packing
from lamina.builder.sharing.receive import receive_layer
from lamina.oci.digest import Digest
from lamina.oci.layers.pack import Times, pack
from lamina.oci.registry.progress import nothing
from lamina.oci.store.store import Layer, Store

SECOND = 10**9
# A moment in the middle of a second, as a step's start is.
SINCE = 1_700_000_000 * SECOND + 500_000_000


@contextmanager
def open_store(place: Path) -> Iterator[Store]:
    store = Store.open(str(place))
    try:
        yield store
    finally:
        store.close()


def make_layer(store: Store, times: dict[str, int], since: int = SINCE) -> Layer:
    """A layer with a file for each name, which says its name and has that time (ns)."""
    with store.workspace() as space:
        upper = space.directory("upper")
        for name in sorted(times):
            path = Path(upper, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".link"):
                path.symlink_to("nowhere")
            else:
                path.write_text(name)
        for folder in sorted(p for p in Path(upper).rglob("*") if p.is_dir()):
            times.setdefault(str(folder.relative_to(upper)), since - SECOND // 7)
        for name, time in times.items():
            os.utime(f"{upper}/{name}", ns=(time, time), follow_symlinks=False)
        packed = pack(upper, Times(None, since), None, store.xattrs)
        made = Layer(
            packed.content, packed.diff_id, packed.bytes, packed.entries, since
        )
        return store.publish_layer(upper, made)


def share(store: Store, content: Digest, place: Path) -> tuple[SharedLayer, bytes]:
    """The layer as a cache has it, and its times; its blob is in `place`."""
    with store.workspace() as space:
        packing = Packing(store, space, Compression(), nothing)
        shared, path = packing.make(content)
        place.joinpath(shared.packed.blob.digest.hex).write_bytes(
            Path(path).read_bytes()
        )
        os.unlink(path)
        return shared, packing.times(content)


def receive(
    store: Store, shared: SharedLayer, data: bytes, times: bytes, epoch: int | None
) -> None:
    """Let a store have a layer whose blob is `data`."""
    left = [data]

    def read(size: int) -> bytes:
        piece, left[0] = left[0][:size], left[0][size:]
        return piece

    with store.workspace() as space:
        receive_layer(store, shared, read, times, space, epoch)
