"""compare: how the files and configs of two images differ. Times are not looked at."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lamina.oci.layers.changeset import attributes, is_exported
from lamina.oci.store.stack import stack
from lamina.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lamina.oci.config import ImageConfig
    from lamina.oci.store.stack import Node
    from lamina.oci.store.store import Image, Store

_CHUNK = 1 << 20


@value
class FileChange:
    """A path that differs. `kind` is A (only in the second image), D (only in the
    first) or C; `what` names each difference of a C."""

    kind: str
    path: str
    before: int
    after: int
    what: tuple[str, ...] = ()


@value
class ConfigChange:
    """A field of the config, and what is only in the one or the other."""

    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def compare_files(store: Store, one: Image, two: Image) -> Iterator[FileChange]:
    """Every path that differs, in order; a directory comes before what is in it."""
    if one.layers != two.layers:
        pair = _Side(store, one), _Side(store, two)
        yield from _Comparison(*pair).directory(b"", pair[0].root, pair[1].root)


class _Side:
    """An image's tree, and where its files lie."""

    def __init__(self, store: Store, image: Image) -> None:
        self._store = store
        self._layers = image.layers
        self.root = stack(store, image.layers).root

    def layer(self, node: Node) -> str:
        return self._layers[node.layer] if node.layer >= 0 else ""

    def place(self, path: bytes, node: Node) -> bytes:
        return os.fsencode(self._store.layer_path(self.layer(node))) + b"/" + path


class _Comparison:
    def __init__(self, one: _Side, two: _Side) -> None:
        self._one = one
        self._two = two

    def directory(self, path: bytes, one: Node, two: Node) -> Iterator[FileChange]:
        before, after = one.children or {}, two.children or {}
        for name in sorted({*before, *after}):
            inner = path + b"/" + name if path else name
            first, second = before.get(name), after.get(name)
            if first is None or second is None:
                yield from _whole(inner, first, second)
            else:
                yield from self._pair(inner, first, second)

    def _pair(self, path: bytes, one: Node, two: Node) -> Iterator[FileChange]:
        if one.is_directory != two.is_directory:
            yield from _whole(path, one, None)
            yield from _whole(path, None, two)
            return
        what = self._differences(path, one, two)
        if what:
            yield FileChange("C", f"/{os.fsdecode(path)}", one.size, two.size, what)
        if one.is_directory:
            yield from self.directory(path, one, two)

    def _differences(self, path: bytes, one: Node, two: Node) -> tuple[str, ...]:
        if self._one.layer(one) == self._two.layer(two):
            return ()
        found = []
        if stat.S_IFMT(one.mode) != stat.S_IFMT(two.mode):
            return (f"type {_kind(one)} → {_kind(two)}",)
        places = self._one.place(path, one), self._two.place(path, two)
        if not one.is_directory and _content_differs(places, one, two):
            found.append("content")
        before, after = stat.S_IMODE(one.mode), stat.S_IMODE(two.mode)
        if before != after:
            found.append(f"mode {before:04o} → {after:04o}")
        if (one.uid, one.gid) != (two.uid, two.gid):
            found.append(f"owner {one.uid}:{one.gid} → {two.uid}:{two.gid}")
        if not stat.S_ISLNK(one.mode) and _exported(places[0]) != _exported(places[1]):
            found.append("attributes")
        return tuple(found)


def _whole(path: bytes, one: Node | None, two: Node | None) -> Iterator[FileChange]:
    """All of what only one of the images has."""
    node = one or two
    assert node is not None
    kind = "D" if two is None else "A"
    yield FileChange(
        kind, f"/{os.fsdecode(path)}", one.size if one else 0, two.size if two else 0
    )
    for name, child in sorted((node.children or {}).items()):
        given = (child, None) if two is None else (None, child)
        yield from _whole(path + b"/" + name, *given)


def _kind(node: Node) -> str:
    names = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "directory",
        stat.S_IFLNK: "link",
        stat.S_IFCHR: "character device",
        stat.S_IFBLK: "block device",
        stat.S_IFIFO: "pipe",
    }
    return names.get(stat.S_IFMT(node.mode), "other")


def _content_differs(places: tuple[bytes, bytes], one: Node, two: Node) -> bool:
    if stat.S_ISLNK(one.mode):
        return os.readlink(places[0]) != os.readlink(places[1])
    if not stat.S_ISREG(one.mode):
        devices = [os.lstat(place).st_rdev for place in places]
        return devices[0] != devices[1]
    if one.size != two.size:
        return True
    with open(places[0], "rb", 0) as first, open(places[1], "rb", 0) as second:
        while data := first.read(_CHUNK):
            if data != second.read(_CHUNK):
                return True
    return False


def _exported(place: bytes) -> dict[str, bytes]:
    """The extended attributes that are the file's own."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = attributes(descriptor)
    finally:
        os.close(descriptor)
    return {name: data for name, data in found.items() if is_exported(name)}


def compare_configs(one: ImageConfig, two: ImageConfig) -> list[ConfigChange]:
    """Field by field, as `inspect` calls them; history and layers are left out."""
    before, after = _fields(one), _fields(two)
    found = []
    for field in sorted({*before, *after}):
        first, second = before.get(field, ()), after.get(field, ())
        if first != second:
            if field in ("Entrypoint", "Cmd", "Shell"):
                # The order is the meaning.
                found.append(ConfigChange(field, _joined(first), _joined(second)))
                continue
            gone = tuple(text for text in first if text not in second)
            come = tuple(text for text in second if text not in first)
            found.append(ConfigChange(field, gone, come))
    return found


def _joined(words: tuple[str, ...]) -> tuple[str, ...]:
    import json

    return (json.dumps(words, ensure_ascii=False),) if words else ()


def _fields(config: ImageConfig) -> dict[str, tuple[str, ...]]:
    from lamina.oci.config_json import inner_json

    found = {name: _texts(given) for name, given in inner_json(config).items()}
    found["Platform"] = (f"{config.os}/{config.architecture}/{config.variant}",)
    found["Author"] = (config.author,) if config.author else ()
    return {name: texts for name, texts in found.items() if texts}


def _texts(given: Any) -> tuple[str, ...]:
    """A field's values as texts that can be told apart."""
    if given in (None, "", [], {}, False):
        return ()
    if isinstance(given, dict):
        return tuple(
            f"{key}={value}" if value not in ({}, None) else str(key)
            for key, value in given.items()
        )
    if isinstance(given, list):
        return tuple(map(str, given))
    return (str(given),)
