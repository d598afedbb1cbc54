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

from lamina.errors import LaminaError
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.errors import NotFound
from lamina.oci.garbage.collect import collect, collect_layers, horizon
from lamina.oci.garbage.policy import Collected, Policy, Space
from lamina.oci.layers.pack import Times, pack
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Image, Layer, Store

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


def remember_step(
    store: Store, layer: Layer, used: int, kind: str = "run", name: str = ""
) -> Digest:
    """A row of the build cache; its key."""
    key = Digest.of(f"{layer.content} {name}".encode())
    store.index.rows(
        "INSERT INTO step VALUES (?,?,?,?,?,?,?)",
        *(key, f'{{"kind":"{kind}"}}', layer.content, layer.content),
        *(used, used, "[app 1/1] RUN it"),
    )
    return key


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


def test_what_can_be_is_removed_though_no_row_can_be(store: Store) -> None:
    """As on a full disk: first the trash is emptied, and nothing is half done."""
    layer = publish(store, "one")
    Path(store.root, "trash", "old").write_text("full")
    store.index.rows("PRAGMA query_only=1")
    with pytest.raises(LaminaError):
        collect(store, ALL)
    store.index.rows("PRAGMA query_only=0")
    assert os.listdir(f"{store.root}/trash") == []
    assert on_disk(store) == {layer.content}
    assert store.layer(layer.content) is not None
    assert collect(store, ALL).layers == (layer.content,)
    assert on_disk(store) == set()


def steps(store: Store) -> set[str]:
    return {key for (key,) in store.index.rows("SELECT key FROM step")}


@pytest.mark.parametrize(
    ("space", "kept"),
    [
        (Space(), 100),
        (Space(max_used=60), 60),
        (Space(max_used=500), 100),
        # The disk has 50 bytes free.
        (Space(min_free=50), 100),
        (Space(min_free=70), 80),
        (Space(max_used=60, min_free=70), 60),
        (Space(max_used=90, min_free=70), 80),
        (Space(max_used=60, reserved=75), 75),
        (Space(reserved=500), 500),
        (Space(min_free=500, reserved=20), 20),
        (Space(min_free=500), 0),
    ],
)
def test_how_much_may_stay(space: Space, kept: int) -> None:
    assert space.kept(100, 50) == kept


def test_the_longest_unused_goes_until_the_rest_fits(store: Store) -> None:
    now = int(time.time())
    layers = [publish(store, f"{number}" * 10) for number in range(4)]
    keys = [
        remember_step(store, layer, now - 1000 + 10 * age)
        for layer, age in zip(layers, (3, 1, 2, 4), strict=True)
    ]
    policy = Policy(cache_before=now, space=Space(max_used=25))
    collected = collect(store, policy)
    assert (collected.steps, collected.bytes) == (2, 20)
    assert steps(store) == {keys[0], keys[3]}
    assert on_disk(store) == {layers[0].content, layers[3].content}
    assert collect(store, policy) == Collected()


def test_what_frees_nothing_stays(store: Store) -> None:
    """Of images' layers, and of tests, there is nothing to be had."""
    image = make_image(store, "in an image")
    store.tag(parse_reference("app"), image.id)
    layer = store.layer(image.layers[0])
    assert layer is not None
    shared = remember_step(store, layer, 1)
    other = publish(store, "x" * 10)
    first = remember_step(store, other, 2, name="first")
    second = remember_step(store, other, 3, name="second")
    policy = Policy(cache_before=1 << 40, space=Space(max_used=1))
    assert collect(store, policy).bytes == 10
    assert steps(store) == {shared}
    assert {first, second} & steps(store) == set()


def test_memos_stay_where_only_the_size_matters(store: Store) -> None:
    remember_step(store, publish(store, "x"), 1)
    store.remember("parse", "key", b"tree")
    collect(store, Policy(cache_before=1 << 40, space=Space(max_used=1, reserved=0)))
    assert store.recall("parse", "key") == b"tree"


def test_superseded_images_go_where_the_cache_is_too_large(store: Store) -> None:
    image = make_image(store, "x" * 10)
    layer = store.layer(image.layers[0])
    assert layer is not None
    remember_step(store, layer, 1)
    roomy = Policy(images_before=1 << 40, cache_before=1 << 40, space=Space(100))
    assert collect(store, roomy).images == ()
    remember_step(store, publish(store, "y" * 10), 2)
    tight = Policy(images_before=1 << 40, cache_before=1 << 40, space=Space(5))
    collected = collect(store, tight)
    assert (collected.images, collected.steps) == ((image.id,), 2)


def test_some_kinds_and_some_keys(store: Store) -> None:
    run = remember_step(store, publish(store, "1"), 1, "run")
    copy = remember_step(store, publish(store, "2"), 1, "copy")
    collect(store, Policy(cache_before=10, kinds=("copy", "add")))
    assert steps(store) == {run}
    collect(store, Policy(cache_before=10, ids=(copy[7:19], "zz")))
    assert steps(store) == {run}
    collect(store, Policy(cache_before=10, ids=(run[7:19],)))
    assert steps(store) == set()


def test_images_with_a_label(store: Store) -> None:
    layer = publish(store, "one")
    found = {}
    for label in ("a", "b"):
        config = ImageConfig(
            "amd64", "linux", diff_ids=(layer.diff_id,), labels={label: "1"}
        )
        found[label] = store.put_image(config, [layer.content]).id
    wrong = Policy(images_before=1 << 40, labels=("a=2",))
    assert collect(store, wrong).images == ()
    policy = Policy(images_before=1 << 40, labels=("a", "a=1"))
    assert collect(store, policy).images == (found["a"],)


def test_what_is_used_does_not_grow_old(store: Store) -> None:
    layer = publish(store, "one")
    key = remember_step(store, layer, 1)
    store.remember("parse", "key", b"tree")
    store.index.rows("UPDATE memo SET used=1")
    store.index.rows("UPDATE layer SET used=1, created=1")
    store.touch([layer.content], [key])
    store.recall("parse", "key")
    assert collect(store, Policy(cache_before=int(time.time()) - 60)).steps == 0
    assert store.recall("parse", "key") == b"tree"


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


def test_a_workspace_does_not_grow_younger_by_what_is_done_in_it(store: Store) -> None:
    """What a pull of two hours got in its first minute is in its hands to the end."""
    with store.workspace() as workspace:
        before = horizon(store)
        time.sleep(1.1)
        os.rename(workspace.directory("layer"), f"{workspace.path}/other")
        assert horizon(store) == before


def test_what_a_dead_process_left_is_taken_away(store: Store) -> None:
    program = (
        "import os, signal, sys; from lamina.oci.store.store import Store;"
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
