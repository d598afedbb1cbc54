"""Stack: what each layer of an image brings, and what later layers take away.

Layers are read as they lie in the store, without mounting them: a Node is a name in
the merged tree, and knows which layer it came from.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.layers.changeset import attributes, is_opaque, walk
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lamina.oci.digest import Digest
    from lamina.oci.layers.changeset import Member
    from lamina.oci.store.store import Store


class Node:
    """A file or directory of the merged tree.

    `bytes` is its share of its layer: a file with several names is counted once, in
    parts. `hidden` is the number of the layer that overwrote or removed it.
    """

    __slots__ = ("bytes", "children", "gid", "hidden", "layer", "mode", "size", "uid")

    def __init__(self, layer: int, status: os.stat_result) -> None:
        self.layer = layer
        self.mode = status.st_mode
        self.uid = status.st_uid
        self.gid = status.st_gid
        self.size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self.bytes = self.size
        self.hidden: int | None = None
        self.children: dict[bytes, Node] | None = None
        if stat.S_ISDIR(status.st_mode):
            self.children = {}

    @property
    def is_directory(self) -> bool:
        return self.children is not None

    def files(self) -> Iterator[Node]:
        """All below it, and itself, that are no directories."""
        if self.children is None:
            yield self
            return
        for child in self.children.values():
            yield from child.files()


@value
class Placed:
    """A file (no directory) that a layer holds. `path` has no leading slash."""

    path: str
    node: Node


@value
class Part:
    """What one layer does: files (never directories) added, changed and removed;
    `wasted` bytes of it are overwritten or removed by later layers."""

    content: Digest
    bytes: int
    added: int
    changed: int
    removed: int
    files: tuple[Placed, ...]

    @property
    def wasted(self) -> int:
        return sum(f.node.bytes for f in self.files if f.node.hidden is not None)

    def largest(self, number: int) -> tuple[Placed, ...]:
        """The largest files, the largest first."""
        found = sorted(self.files, key=lambda f: (-f.node.bytes, f.path))
        return tuple(f for f in found[:number] if f.node.bytes)


@value
class Stack:
    """The merged tree of some layers, bottom first, and what each of them does."""

    root: Node
    parts: tuple[Part, ...]


def stack(store: Store, layers: Sequence[Digest]) -> Stack:
    """Read `layers`, bottom first; raises StoreError."""
    root = Node(-1, os.stat(store.root))
    if layers:
        root = Node(0, os.stat(store.layer_path(layers[0])))
    parts = []
    for number, content in enumerate(layers):
        layer = store.layer(content)
        merge = _Merge(number, root, store.xattrs)
        for member in walk(store.layer_path(content)):
            merge.take(member)
        merge.share()
        counts = (merge.added, merge.changed, merge.removed)
        size = layer.bytes if layer else 0
        parts.append(Part(content, size, *counts, tuple(merge.files)))
    return Stack(root, tuple(parts))


class _Merge:
    """One layer on its way into the tree."""

    def __init__(self, number: int, root: Node, xattrs: str) -> None:
        self._number = number
        self._xattrs = xattrs
        # The directories that the walk is in, each with the length of its prefix.
        self._above: list[tuple[bytes, Node]] = [(b"", root)]
        self._links: dict[tuple[int, int], list[Node]] = {}
        self.files: list[Placed] = []
        self.added = 0
        self.changed = 0
        self.removed = 0

    def take(self, member: Member) -> None:
        while not member.path.startswith(self._above[-1][0]):
            self._above.pop()
        siblings = self._above[-1][1].children
        assert siblings is not None
        below = siblings.get(member.name)
        if member.whiteout:
            if below is not None:
                self._hide(below)
                del siblings[member.name]
            return
        node = Node(self._number, member.status)
        if node.children is not None:
            self._enter(member, node, below)
        else:
            self._file(member, node, below)
        siblings[member.name] = node

    def _enter(self, member: Member, node: Node, below: Node | None) -> None:
        """A directory goes on with what was in it, unless it hides that."""
        if below is not None:
            opaque = below.is_directory and is_opaque(
                attributes(member.own), self._xattrs
            )
            if below.children is None or opaque:
                self._hide(below)
            else:
                node.children = below.children
        self._above.append((member.path + b"/", node))

    def _file(self, member: Member, node: Node, below: Node | None) -> None:
        if below is None:
            self.added += 1
        elif below.is_directory:
            self._hide(below)
            self.added += 1
        else:
            below.hidden = self._number
            self.changed += 1
        if member.status.st_nlink > 1:
            inode = (member.status.st_dev, member.status.st_ino)
            self._links.setdefault(inode, []).append(node)
        self.files.append(Placed(os.fsdecode(member.path), node))

    def _hide(self, node: Node) -> None:
        for file in node.files():
            file.hidden = self._number
            self.removed += 1

    def share(self) -> None:
        """Divide the bytes of files that have several names in this layer."""
        for nodes in self._links.values():
            for node in nodes:
                node.bytes = node.size // len(nodes)


def folders(files: Sequence[Placed], number: int) -> list[tuple[str, int]]:
    """What fills a layer: at most `number` places, together all of it.

    From the top down, the largest folder is opened, until none is large any more or
    there is no room. `usr/` is all of a folder, `usr/…` what of it is not named.
    """
    tree = _sizes(files)
    whole = sum(tree.get("", {}).values())
    shown, closed = {"": whole}, set()
    while len(shown) < number:
        inner = [path for path in shown if path in tree and path not in closed]
        widest = max(inner, key=lambda path: shown[path], default=None)
        if widest is None or shown[widest] * 10 < whole:
            break
        room = number - len(shown)
        large = _large(tree[widest], whole, room)
        if not large:
            closed.add(widest)
            continue
        rest = shown.pop(widest) - sum(large.values())
        shown.update(large)
        if rest:
            shown[f"{widest}/…".lstrip("/")] = rest
    named = [(_named(path, tree), size) for path, size in shown.items() if size]
    return sorted(named, key=lambda item: (-item[1], item[0]))


def _named(path: str, tree: Mapping[str, Mapping[str, int]]) -> str:
    """A place as it is shown: a folder with one thing in it is that thing."""
    while len(tree.get(path, ())) == 1:
        (path,) = tree[path]
    return f"{path}/" if path in tree else path


def _sizes(files: Sequence[Placed]) -> dict[str, dict[str, int]]:
    """The bytes of what is in each folder, "" for the root."""
    tree: dict[str, dict[str, int]] = {}
    for file in files:
        path = file.path
        while path:
            above = path.rpartition("/")[0]
            inside = tree.setdefault(above, {})
            inside[path] = inside.get(path, 0) + file.node.bytes
            path = above
    return tree


def _large(inside: dict[str, int], whole: int, room: int) -> dict[str, int]:
    """What of a folder is worth a place: a twentieth of the layer."""
    found = sorted(inside.items(), key=lambda item: (-item[1], item[0]))
    large = [item for item in found[:room] if item[1] * 20 >= whole]
    # A rest of one has a name as well; the folder's own place is free for it.
    return dict(found if len(found) <= min(room, len(large)) + 1 else large)
