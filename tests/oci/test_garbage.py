"""oci.garbage: what goes, what stays, and what happens beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.errors import NotFound
from lamina.oci.garbage import Policy, collect, collect_layers
from lamina.oci.pack import Times, pack
from lamina.oci.reference import parse_reference
from lamina.oci.store import Image, Layer, Store

ALL = Policy(images_before=1 << 40, all_images=True, cache_before=1 << 40)
UNNAMED = Policy(images_before=1 << 40)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def publish(store: Store, text: str) -> Layer:
    """A layer with one file."""
    with store.workspace() as workspace:
        upper = workspace.directory("upper")
        Path(upper, "file").write_text(text)
        packed = pack(upper, Times(None, 0), None, store.xattrs)
        made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
        return store.publish_layer(upper, made)


def make_image(store: Store, *texts: str) -> Image:
    layers = [publish(store, text) for text in texts]
    diff_ids = tuple(layer.diff_id for layer in layers)
    config = ImageConfig("amd64", "linux", diff_ids=diff_ids)
    return store.put_image(config, [layer.content for layer in layers])


def remember_step(store: Store, layer: Layer, used: int) -> None:
    store.index.rows(
        "INSERT INTO step VALUES (?,?,?,?,?,?)",
        *(Digest.of(layer.content.encode()), "{}", layer.content, layer.content),
        *(used, used),
    )


def on_disk(store: Store) -> set[str]:
    return {f"sha256:{name}" for name in os.listdir(f"{store.root}/layers")}


def test_a_named_image_keeps_its_layers(store: Store) -> None:
    image = make_image(store, "one", "two")
    store.tag(parse_reference("app"), image.id)
    assert collect(store, UNNAMED).layers == ()
    assert on_disk(store) == set(image.layers)


def test_an_image_without_a_name_goes_and_shared_layers_stay(store: Store) -> None:
    named = make_image(store, "one")
    unnamed = make_image(store, "one", "two")
    store.tag(parse_reference("app"), named.id)
    collected = collect(store, UNNAMED)
    assert collected.images == (unnamed.id,)
    assert collected.layers == (unnamed.layers[1],)
    assert collected.bytes == 3
    assert on_disk(store) == set(named.layers)


def test_young_images_stay_with_until(store: Store) -> None:
    image = make_image(store, "one")
    assert collect(store, Policy(images_before=int(time.time()) - 60)).images == ()
    assert collect(store, UNNAMED).images == (image.id,)


def test_all_images_but_those_of_containers(store: Store) -> None:
    kept, gone = make_image(store, "one"), make_image(store, "two")
    for name, image in (("kept", kept), ("gone", gone)):
        store.tag(parse_reference(name), image.id)
    policy = Policy(1 << 40, all_images=True, keep=frozenset({kept.id}))
    collected = collect(store, policy)
    assert collected.references == ("docker.io/library/gone:latest",)
    assert list(store.references()) == ["docker.io/library/kept:latest"]


def test_a_containers_layers_stay(store: Store) -> None:
    layer = publish(store, "one")
    store.pin("container:x", [layer.content])
    assert collect(store, ALL).layers == ()
    store.unpin("container:x")
    assert collect(store, ALL).layers == (layer.content,)


def test_the_build_cache_goes_by_age(store: Store) -> None:
    old, young = publish(store, "old"), publish(store, "young")
    now = int(time.time())
    remember_step(store, old, now - 1000)
    remember_step(store, young, now)
    collected = collect(store, Policy(cache_before=now - 500))
    assert (collected.steps, collected.layers) == (1, (old.content,))


def test_what_a_build_is_remembered_by_stays(store: Store) -> None:
    image = make_image(store, "one")
    store.remember("bootstrap", "key", image.id.encode())
    assert collect(store, UNNAMED).images == ()
    assert collect(store, ALL).images == (image.id,)


def test_a_live_workspace_keeps_what_is_young(store: Store) -> None:
    layer = publish(store, "one")
    with store.workspace():
        assert collect(store, ALL).layers == ()
    assert collect(store, ALL).layers == (layer.content,)


def test_a_live_workspace_does_not_keep_what_is_old(store: Store) -> None:
    layer = publish(store, "one")
    store.index.rows("UPDATE layer SET created=1, used=1")
    with store.workspace():
        assert collect(store, ALL).layers == (layer.content,)


def test_what_a_dead_process_left_is_taken_away(store: Store) -> None:
    program = (
        "import os, signal, sys; from lamina.oci.store import Store;"
        f"store = Store.open({store.root!r}); work = store.workspace();"
        "work.directory('half-made'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([os.path.realpath(sys.executable), "-c", program], check=False)
    orphan = f"{store.root}/layers/{'a' * 64}"
    os.mkdir(orphan)
    Path(f"{store.root}/trash/left").mkdir()
    assert len(os.listdir(f"{store.root}/tmp")) == 1
    collect(store, UNNAMED)
    for folder in ("tmp", "layers", "trash"):
        assert os.listdir(f"{store.root}/{folder}") == []


def test_blobs_go_with_their_layers(store: Store, tmp_path: Path) -> None:
    layer = publish(store, "one")
    for name, diff_id in (("kept", layer.diff_id), ("gone", Digest.of(b"other"))):
        path = tmp_path / name
        path.write_text(name)
        store.publish_blob(str(path), Digest.of(name.encode()), "x", diff_id)
    store.pin("container:x", [layer.content])
    assert collect(store, UNNAMED).bytes == 4
    assert os.listdir(f"{store.root}/blobs/sha256") == [Digest.of(b"kept").hex]


def test_only_layers(store: Store) -> None:
    image = make_image(store, "one")
    layer = publish(store, "two")
    assert collect_layers(store) == (layer.content,)
    assert store.image(image.id) == image


def test_an_image_of_layers_that_were_collected_is_refused(store: Store) -> None:
    layer = publish(store, "one")
    collect(store, ALL)
    config = ImageConfig("amd64", "linux", diff_ids=(layer.diff_id,))
    with pytest.raises(NotFound):
        store.put_image(config, [layer.content])
    with pytest.raises(NotFound):
        store.pin("container:x", [layer.content])


def test_collecting_beside_builders_breaks_no_image(tmp_path: Path) -> None:
    """Four threads make and name images while a fifth collects all it can."""
    root = str(tmp_path / "store")
    Store.open(root).close()
    done = threading.Event()
    errors: list[BaseException] = []

    def build(number: int) -> None:
        mine = Store.open(root)
        try:
            for turn in range(15):
                with mine.workspace():
                    image = make_image(mine, f"shared {turn % 3}", f"{number} {turn}")
                    mine.tag(parse_reference(f"app:{number}"), image.id)
                    assert set(image.layers) <= on_disk(mine)
        except BaseException as error:
            errors.append(error)
        finally:
            mine.close()

    def clean() -> None:
        mine = Store.open(root)
        try:
            while not done.is_set():
                collect(mine, Policy(images_before=1 << 40, cache_before=1 << 40))
        except BaseException as error:
            errors.append(error)
        finally:
            mine.close()

    builders = [threading.Thread(target=build, args=(n,)) for n in range(4)]
    cleaner = threading.Thread(target=clean)
    for thread in (*builders, cleaner):
        thread.start()
    for thread in builders:
        thread.join()
    done.set()
    cleaner.join()
    assert errors == []
    store = Store.open(root)
    for identity in store.references().values():
        assert set(store.image(identity).layers) <= on_disk(store)
    collect(store, UNNAMED)
    assert len(on_disk(store)) <= 4 + 3
    store.close()
