"""builder.squash: several changesets as one, seen like overlay shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.exports.squash import squash
from lamina.oci.config import History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.layers.pack import Times, pack
from lamina.oci.store.store import Layer, Store
from lamina.runtime.isolation.snapshot import mount

OPAQUE, GONE = object(), object()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def layer(store: Store, **files: object) -> Digest:
    """A layer of files, `__` in a name is `/`: text, GONE, or an OPAQUE directory."""
    with store.workspace() as workspace:
        root = workspace.directory("layer")
        for name, content in files.items():
            path = f"{root}/{name.replace('__', '/')}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if content is GONE:
                os.mknod(path, 0o020000, 0)
            elif content is OPAQUE:
                os.makedirs(path, exist_ok=True)
                os.setxattr(path, f"{store.xattrs}.overlay.opaque", b"y")
            else:
                Path(path).write_text(str(content))
        packed = pack(root, Times(None, 0), None, store.xattrs)
        made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
        return store.publish_layer(root, made).content


def files(store: Store, layers: tuple[Digest, ...]) -> dict[str, str]:
    """What a container on `layers` would see."""
    root = mount(tuple(store.layer_path(content) for content in reversed(layers)))
    top = f"/proc/self/fd/{root}/."
    try:
        return {
            os.path.relpath(f"{folder}/{name}", top): Path(folder, name).read_text()
            for folder, _, names in os.walk(top)
            for name in names
        }
    finally:
        os.close(root)


LAYERS: tuple[dict[str, object], ...] = (
    {"base__a": 1, "base__b": 2, "old__x": 3, "kind__dir__f": 4, "swap": 5},
    {"base__a": GONE, "new__f": 6, "own__f": 7, "old": GONE, "kind__dir": "file"},
    {"old__y": 8, "own": GONE, "swap": GONE, "base__c": 9},
    {"new": OPAQUE, "new__g": 10, "swap__inside": 11, "base": OPAQUE, "base__d": 12},
    {"base__e": 13, "kind": GONE},
)


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_the_files_stay_what_they_are(store: Store, kept: int) -> None:
    layers = tuple(layer(store, **given) for given in LAYERS)
    seen = files(store, layers)
    assert seen == {
        **{"base/d": "12", "base/e": "13", "new/g": "10"},
        **{"old/y": "8", "swap/inside": "11"},
    }
    history = tuple(History(created_by=str(number)) for number in range(5))
    config = ImageConfig("amd64", "linux", history=history)
    config, squashed = squash(store, config, layers, kept, None)
    assert squashed[:-1] == layers[:kept]
    assert files(store, squashed) == seen
    empty = [entry.empty_layer for entry in config.history]
    assert empty == [False] * kept + [True] * (5 - kept) + [False]
    # The originals are as they were.
    assert files(store, layers) == seen


def test_marks_are_left_where_nothing_is_below(store: Store) -> None:
    one, two = layer(store, a=1, d__x=2), layer(store, a=GONE, d=OPAQUE)
    _, (content,) = squash(store, ImageConfig("amd64", "linux"), (one, two), 0, None)
    root = store.layer_path(content)
    assert os.listdir(root) == ["d"]
    assert os.listxattr(f"{root}/d") == []


def test_one_layer_is_left_alone(store: Store) -> None:
    config, layers = ImageConfig("amd64", "linux"), (layer(store, a=1),)
    assert squash(store, config, layers, 0, None) == (config, layers)
