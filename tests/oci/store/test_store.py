"""oci.store.store: layers and images that many processes share."""

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
from lamina.oci.errors import InUse, NotFound, StoreError
from lamina.oci.layers.pack import Times, pack
from lamina.oci.reference import parse_reference
from lamina.oci.store.durability import settle
from lamina.oci.store.store import Layer, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def publish(store: Store, name: str, text: str, since: int = 0) -> Layer:
    """A layer with one file."""
    with store.workspace() as workspace:
        upper = workspace.directory("upper")
        Path(upper, name).write_text(text)
        packed = pack(upper, Times(None, since), None, store.xattrs)
        made = Layer(
            packed.content, packed.diff_id, packed.bytes, packed.entries, since
        )
        return store.publish_layer(upper, made)


def test_a_published_layer_is_found_by_content_and_diff_id(store: Store) -> None:
    layer = publish(store, "file", "hello")
    assert store.layer(layer.content) == layer
    assert store.layer_by_diff_id(layer.diff_id) == layer
    assert Path(store.layer_path(layer.content), "file").read_text() == "hello"


def test_the_same_content_is_kept_once(store: Store) -> None:
    first = publish(store, "file", "hello")
    inode = os.stat(f"{store.layer_path(first.content)}/file").st_ino
    second = publish(store, "file", "hello")
    assert second.content == first.content
    assert os.stat(f"{store.layer_path(first.content)}/file").st_ino == inode
    assert os.listdir(f"{store.root}/tmp") == []


def test_a_layer_that_the_index_cannot_take_leaves_no_directory(store: Store) -> None:
    with store.transaction() as run:
        run.execute(
            "CREATE TRIGGER full BEFORE INSERT ON diff "
            "BEGIN SELECT RAISE(ABORT, 'no more of them'); END"
        )
    with pytest.raises(StoreError, match="cannot be used: no more of them"):
        publish(store, "file", "hello")
    assert not list(Path(store.root, "layers").rglob("file"))
    with store.transaction() as run:
        run.execute("DROP TRIGGER full")
    layer = publish(store, "file", "hello")
    assert Path(store.layer_path(layer.content), "file").read_text() == "hello"


def test_an_epoch_gives_the_same_diff_id_whenever_the_files_were_made(
    store: Store, tmp_path: Path
) -> None:
    first = publish(store, "file", "hello")
    os.utime(f"{store.layer_path(first.content)}/file", (10**9, 10**9))
    other = Store.open(str(tmp_path / "other"))
    second = publish(other, "file", "hello")
    assert first.content == second.content
    assert store.diff_id(first.content, 1234) == other.diff_id(second.content, 1234)
    assert store.diff_id(first.content, 1234) != store.diff_id(first.content, 5678)
    other.close()


def test_a_layers_tar_has_the_digest_that_was_asked_for(store: Store) -> None:
    layer = publish(store, "file", "hello")
    for diff_id in (layer.diff_id, store.diff_id(layer.content, 1234)):
        data = bytearray()
        store.layer_tar(diff_id, data.extend)
        assert Digest.of(bytes(data)) == diff_id


def test_what_was_not_on_the_disk_at_a_crash_is_forgotten(store: Store) -> None:
    layer = publish(store, "file", "hello")
    store.index.rows("UPDATE layer SET boot='another boot'")
    again = Store.open(store.root)
    assert again.layer(layer.content) is None
    assert not os.path.exists(store.layer_path(layer.content))
    again.close()


def test_what_was_synced_outlives_a_crash(store: Store) -> None:
    layer = publish(store, "file", "hello")
    assert settle(store.root) == 1
    assert settle(store.root) == 0
    store.index.rows("UPDATE layer SET boot='another boot' WHERE boot IS NOT NULL")
    again = Store.open(store.root)
    assert again.layer(layer.content) == layer
    again.close()


def test_closing_a_store_settles_it_in_the_background(store: Store) -> None:
    publish(store, "file", "hello")
    other = Store.open(store.root)
    publish(other, "another", "hello")
    other.close()
    deadline = time.monotonic() + 60
    while store.index.rows("SELECT 1 FROM layer WHERE boot IS NOT NULL"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closing_a_store_removes_what_the_killed_left(store: Store) -> None:
    program = (
        "import os, sys; from lamina.oci.store.store import Store;"
        "store = Store.open(sys.argv[1]); space = store.workspace();"
        "os.mkdir(f'{space.path}/inner'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, store.root], check=False)
    (dead,) = os.listdir(f"{store.root}/tmp")
    with store.workspace() as living:
        # It has removed the dead one; as it was killed then:
        os.mkdir(f"{store.root}/tmp/{dead}")
        Store.open(store.root).close()
        deadline = time.monotonic() + 60
        while os.path.exists(f"{store.root}/tmp/{dead}"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert os.path.isdir(living.path)


def test_a_store_is_closed_where_no_program_can_be_started(
    store: Store, tmp_path: Path
) -> None:
    """As when Python was replaced by a newer one meanwhile."""
    program = (
        "import sys; from lamina.oci.store.store import Store;"
        "store = Store.open(sys.argv[1]); sys.executable = '/nowhere/python';"
        "store.published = True; store._discarded.append(sys.argv[2]); store.close()"
    )
    words = [sys.executable, "-c", program, store.root, str(tmp_path / "gone")]
    subprocess.run(words, check=True)


def test_images_are_found_as_docker_finds_them(store: Store) -> None:
    layer = publish(store, "file", "hello")
    config = ImageConfig("amd64", "linux", diff_ids=(layer.diff_id,))
    image = store.put_image(config, (layer.content,))
    store.tag(parse_reference("app"), image.id)
    names = ("app", "app:latest", "docker.io/library/app", image.id, image.id.hex[:6])
    for name in names:
        assert store.resolve(name) == image
    with pytest.raises(NotFound, match="no image 'other'"):
        store.resolve("other")
    store.untag(parse_reference("app"))
    assert store.resolve_id("app") is None
    store.delete_image(image.id)
    assert store.resolve_id(image.id) is None


def test_an_image_that_could_not_be_read_again_is_not_kept(store: Store) -> None:
    config = ImageConfig("amd64", "linux", env=("A=" + "a" * (4 << 20),))
    with pytest.raises(LaminaError, match="more than 4194304 are not read"):
        store.put_image(config, ())
    assert store.images() == ()


def test_only_one_at_a_time_is_alone(store: Store) -> None:
    inside = []

    def work() -> None:
        with store.alone("key"):
            inside.append("in")
            time.sleep(0.02)
            inside.append("out")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == ["in", "out"] * 4
    assert os.listdir(f"{store.root}/locks") == []


def test_waiting_to_be_alone_can_be_called_off(store: Store) -> None:
    with store.alone("key"):
        other = Store.open(store.root)
        with pytest.raises(InUse), other.alone("key", cancelled=lambda: True):
            raise AssertionError("two at once")
        other.close()


def test_a_store_of_a_newer_lamina_is_left_alone(store: Store) -> None:
    store.index.rows("PRAGMA user_version=999")
    with pytest.raises(StoreError, match="newer Lamina"):
        Store.open(store.root)


def test_a_damaged_index_is_a_sentence(tmp_path: Path) -> None:
    Store.open(str(tmp_path / "store")).close()
    for name in os.listdir(tmp_path / "store"):
        if name.startswith("index.sqlite"):
            (tmp_path / "store" / name).write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(str(tmp_path / "store"))


def test_a_place_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(str(tmp_path / "file" / "store"))


def test_what_is_discarded_later_is_gone_in_a_while(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    with store.workspace() as space:
        made = Path(space.directory("made"))
        for number in range(100):
            (made / str(number)).write_text("")
        store.discard_later(str(made))
        assert not made.exists()
    (trash,) = Path(store.root, "trash").iterdir()
    assert len(list(trash.iterdir())) == 100
    store.close()
    deadline = time.monotonic() + 60
    while trash.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
