"""Cache mounts that go along with a shared cache: sent, and filled in elsewhere.

What a cache mount holds is in no key, and a build has to work without it. So it only
fills one that is empty, and one that another build uses just now is not sent.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from typing import TYPE_CHECKING

from lamina.builder.events import warning
from lamina.builder.ops.cache_mounts import cache_mounts
from lamina.builder.sharing.document import Packed, SharedMount, mount_json, parse_mount
from lamina.builder.sharing.packing import describe_times
from lamina.builder.sharing.times import fractions_of
from lamina.builder.solving.graph import RunOp
from lamina.errors import LaminaError
from lamina.oci.digest import Digest
from lamina.oci.layers.changeset import walk
from lamina.oci.layers.pack import Times, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.builder.events import Emit
    from lamina.builder.ops.cache_mounts import CacheMount
    from lamina.builder.sharing.blobs import Blobs
    from lamina.builder.solving.graph import Graph
    from lamina.oci.store.store import Store

# A mount as it was sent last, and the state that it had then; by the mount's name.
_MEMO = "shared-mount"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEEP_TIMES = Times(None, 0)


def send_mounts(
    store: Store, graph: Graph, blobs: Blobs, emit: Emit
) -> tuple[SharedMount, ...]:
    """Send the cache mounts of a graph's steps that have something in them."""
    found = []
    for mount in _used(store, graph):
        path = mount.directories[0]
        folder = os.open(path, _DIRECTORY)
        try:
            # Steps that use it hold it, shared or alone.
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(_send(store, mount, path, blobs))
        except BlockingIOError:
            text = f"the cache mount {mount.id} is left out: another build uses it"
            emit(warning(text))
        except LaminaError as error:
            text = f"the cache mount {mount.id} is left out: {error.message}"
            emit(warning(text))
        finally:
            os.close(folder)
    return tuple(found)


def _used(store: Store, graph: Graph) -> Iterator[CacheMount]:
    """The caches of the store that the graph names. Of those that began with files of
    different stages it is the one that was used last."""
    wanted = {
        (mount.id, mount.origin >= 0)
        for step in graph.steps
        if isinstance(step.operation, RunOp)
        for mount in step.operation.mounts
        if mount.kind == "cache"
    }
    there: dict[tuple[str, bool], CacheMount] = {}
    for mount in sorted(cache_mounts(store.root), key=lambda each: each.used):
        key = (mount.id, bool(mount.seed))
        path = mount.directories[0] if mount.directories else ""
        if key in wanted and path.endswith("/0") and os.listdir(path):
            there[key] = mount
    yield from (there[key] for key in sorted(there))


def _send(store: Store, mount: CacheMount, path: str, blobs: Blobs) -> SharedMount:
    """Send one, unless it is as it was when it was sent the last time."""
    state = f"{blobs.packing.version} {_state(path)}"
    known = store.recall(_MEMO, mount.name)
    if known is not None:
        memo = json.loads(known)
        sent = parse_mount(memo["mount"])
        if memo["state"] == state and blobs.has(sent.packed):
            blobs.send_times(sent.packed, lambda: fractions_of(path))
            return sent
    diff_ids: list[Digest] = []

    def produce(write: Callable[[bytes], object]) -> None:
        diff_ids.append(pack(path, _KEEP_TIMES, write, store.xattrs).diff_id)

    blob, file = blobs.packing.squeeze(produce)
    times = fractions_of(path)
    packed = Packed(diff_ids[0], blob, blobs.packing.version, describe_times(times))
    blobs.send_made(blob, file)
    blobs.send_times(packed, lambda: times)
    made = SharedMount(mount.id, mount.seed, mount.name, packed)
    memo = {"state": state, "mount": mount_json(made)}
    store.remember(_MEMO, mount.name, json.dumps(memo).encode())
    return made


def _state(path: str) -> str:
    """A digest that changes with any file below `path`, without reading them."""
    seen = hashlib.sha256()
    for member in walk(path):
        status = member.status
        fields = (
            *(status.st_mode, status.st_uid, status.st_gid, status.st_size),
            *(status.st_ino, status.st_mtime_ns, status.st_ctime_ns),
        )
        seen.update(b"%d %d %d %d %d %d %d " % fields + member.path + b"\0")
    return seen.hexdigest()
