"""What a container changed: listed (`diff`), made a layer (`commit`), or all it sees.

Mount points that Lamina made for a start are not the container's doing: they are
left out of all three.
"""

from __future__ import annotations

import contextlib
import os
import time

from lamina.runtime.containers import state
from lamina.runtime.errors import LimitError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.oci.config import ImageConfig
    from lamina.oci.store.store import Image, Layer, Store
    from lamina.runtime.containers.state import Container

_FLAGS = os.O_PATH | os.O_NOFOLLOW


def diff(store: Store, container: Container) -> tuple[tuple[str, str], ...]:
    """(kind, path) of every change, by path: A added, C changed, D deleted.

    A directory in which something changed is itself changed, as docker says it.
    """
    from lamina.oci.layers.changeset import changes

    upper = upper_of(store, container)
    stubs = _stubs(store, container)
    found: dict[str, str] = {}
    with _image_root(store, container) as root:
        for change in changes(upper, store.xattrs):
            path = change.path.strip("/")
            if path in stubs and _is_bare(upper, path):
                continue
            if change.kind == "deleted":
                found[path] = "D"
                continue
            below = _exists(root, path)
            found[path] = "C" if below else "A"
            if below and change.kind == "opaque":
                for name in _names(root, path):
                    found.setdefault(f"{path}/{name}", "D")
    return tuple((found[path], f"/{path}") for path in sorted(found))


def upper_of(store: Store, container: Container) -> str:
    """The directory with a container's changes."""
    from lamina.runtime.isolation.fuse_marks import settle

    upper = f"{state.directory(store.root, container.id)}/upper"
    layers = tuple(map(store.layer_path, reversed(container.layers)))
    settle(upper, layers, store.xattrs)
    return upper


def _stubs(store: Store, container: Container) -> frozenset[str]:
    known = state.load_state(store.root, container.id).stubs
    return frozenset(path.strip("/") for path in known)


def _is_bare(upper: str, path: str) -> bool:
    """Whether a mount point is as it was made: nothing in it."""
    place = f"{upper}/{path}"
    try:
        if os.path.islink(place):
            return False
        return (
            not os.listdir(place)
            if os.path.isdir(place)
            else not os.stat(place).st_size
        )
    except OSError:
        return False


@contextlib.contextmanager
def _image_root(store: Store, container: Container) -> Iterator[int]:
    """The container's image, read-only: a descriptor of its root."""
    from lamina.runtime.isolation import snapshot

    lowers = tuple(store.layer_path(layer) for layer in reversed(container.layers))
    root = snapshot.mount(lowers)
    try:
        yield root
    finally:
        os.close(root)


def _exists(root: int, path: str) -> bool:
    """Whether the image has this very path, no link followed on the way."""
    from lamina.runtime import syscalls

    try:
        os.close(syscalls.openat2(path, _FLAGS, _STRICT, root))
    except OSError:
        return False
    return True


def _names(root: int, path: str) -> list[str]:
    from lamina.runtime import syscalls

    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        descriptor = syscalls.openat2(path, flags, _STRICT, root)
    except OSError:
        return []
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


# openat2's RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
_STRICT = 0x04 | 0x08


# Commit


def commit(
    store: Store,
    container: Container,
    config: ImageConfig,
    comment: str = "",
    author: str = "",
) -> Image:
    """An image of a container as it is: its layers and one of what it changed.

    `config` is the container's with what the user changed. The files are copied
    (shared, where the file system can), since the container may go on.
    """
    from lamina.oci.config import History, with_whole_history
    from lamina.runtime.keeper.log import rfc3339

    now = rfc3339(time.time_ns())
    entry = History(now, " ".join(container.args), comment, author)
    with store.workspace() as space:
        layer = _layer(store, container, space.directory("layer", 0o700))
    config = with_whole_history(config, len(container.layers))
    made = replace(
        config,
        created=now,
        author=author or config.author,
        diff_ids=(*config.diff_ids, layer.diff_id),
        history=(*config.history, entry),
    )
    return store.put_image(made, (*container.layers, layer.content))


def _layer(store: Store, container: Container, place: str) -> Layer:
    from lamina.oci.layers.pack import Times, pack
    from lamina.oci.store.store import Layer
    from lamina.runtime.volumes.copytree import copy_tree

    upper = upper_of(store, container)
    stubs = _stubs(store, container)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    source, target = os.open(upper, flags), os.open(place, flags)
    try:
        copy_tree(source, target, lambda path: path in stubs and _is_bare(upper, path))
    finally:
        os.close(source)
        os.close(target)
    packed = pack(place, Times(None, 0), None, store.xattrs)
    # Everything that a container wrote is younger than its creation.
    layer = Layer(
        packed.content, packed.diff_id, packed.bytes, packed.entries, container.created
    )
    return store.publish_layer(place, layer)


@contextlib.contextmanager
def paused(store: Store, container: Container) -> Iterator[str]:
    """The container stands still in the block, if it runs; what is given is "", or a
    sentence on why it does not: an ordinary user's may have no cgroup."""
    found = state.see(store.root, container.id)
    if found.status != state.RUNNING:
        yield ""
        return
    from lamina.runtime.containers.updating import cgroup_of

    try:
        group = cgroup_of(store.root, container, found)
    except LimitError as error:
        yield f"the container goes on meanwhile: {error}"
        return
    if not group.can_freeze:
        yield "the container goes on meanwhile: this user may not write cgroups"
        return
    group.freeze()
    try:
        yield ""
    finally:
        group.thaw()


def export(
    store: Store, container: Container, write: Callable[[bytes], object]
) -> None:
    """Write all files of a container, as it sees them without mounts, as one tar."""
    from lamina.oci.layers.pack import Times, pack
    from lamina.runtime.isolation import snapshot

    layers = tuple(store.layer_path(layer) for layer in reversed(container.layers))
    root = snapshot.mount((upper_of(store, container), *layers))
    try:
        pack(f"/proc/self/fd/{root}/.", Times(None, 0), write, store.xattrs)
    finally:
        os.close(root)
