"""oci.store.check: damage of every kind is found, and mended by removing it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.oci.archives.load import load
from lamina.oci.store.check import check, leftovers, repair
from lamina.oci.store.store import Image, Store
from tests.oci.image_archives import docker_archive, tar

ONE = tar({"etc/name": b"one", "bin/sh": b"x" * 5000})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def image(store: Store, tmp_path: Path) -> Image:
    path = tmp_path / "in.tar"
    path.write_bytes(tar(docker_archive(ONE)))
    return load(store, str(path))[0].image


def in_layer(store: Store, image: Image, name: str) -> Path:
    return Path(store.layer_path(image.layers[0]), name)


def test_a_sound_store(store: Store, image: Image) -> None:
    checked = check(store)
    assert checked.faults == ()
    assert (checked.images, checked.layers) == (1, 1)
    assert leftovers(store) == ()


def rewrite(store: Store, image: Image) -> None:
    in_layer(store, image, "etc/name").write_bytes(b"two")


def cut(store: Store, image: Image) -> None:
    os.truncate(in_layer(store, image, "bin/sh"), 10)


def remove_file(store: Store, image: Image) -> None:
    in_layer(store, image, "bin/sh").unlink()


def remove_layer(store: Store, image: Image) -> None:
    shutil.rmtree(store.layer_path(image.layers[0]))


def remove_skeleton(store: Store, image: Image) -> None:
    os.unlink(f"{store.root}/skeletons/{image.layers[0].hex}")


@pytest.mark.parametrize(
    "damage", [rewrite, cut, remove_file, remove_layer, remove_skeleton]
)
def test_a_damaged_layer_goes_with_the_images_on_it(
    store: Store, image: Image, damage: Callable[[Store, Image], None]
) -> None:
    damage(store, image)
    faults = check(store).faults
    assert [(fault.kind, fault.name) for fault in faults] == [
        ("layer", image.layers[0])
    ]
    assert repair(store, faults) == ()
    assert check(store).faults == ()
    assert store.images() == ()
    assert store.references() == {}


@pytest.mark.parametrize("more", range(8))
def test_too_few_descriptors_are_no_damage(
    store: Store, image: Image, more: int
) -> None:
    """`check --repair` would remove what is sound."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + more, limits[1]))
    try:
        faults = check(store).faults
    except (OSError, LaminaError) as error:
        faults = ()
        assert "damaged" not in str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert faults == ()
    assert image.layers


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE image SET config=config || ' '", "image"),
        ("UPDATE image SET layers=''", "image"),
        ("UPDATE image SET manifest='{}', manifest_digest='sha256:0'", "image"),
        ("DELETE FROM diff", "layer"),
        ("INSERT INTO reference VALUES ('docker.io/library/x:1', 'gone')", "reference"),
        ("INSERT INTO step VALUES ('key', '', 'gone', 'gone', 0, 0, '')", "step"),
    ],
)
def test_damage_in_the_index(
    store: Store, image: Image, statement: str, kind: str
) -> None:
    store.index.rows(statement)
    faults = check(store).faults
    assert kind in {fault.kind for fault in faults}
    assert repair(store, faults) == ()
    assert check(store).faults == ()


def test_what_a_container_stands_on_is_left(store: Store, image: Image) -> None:
    store.pin("container:abc", image.layers)
    rewrite(store, image)
    (left,) = repair(store, check(store).faults)
    assert "container abc stands on it" in left.text
    assert os.path.isdir(store.layer_path(image.layers[0]))


def test_leftovers_are_no_faults(store: Store, image: Image) -> None:
    os.mkdir(f"{store.root}/tmp/dead")
    os.mkdir(f"{store.root}/layers/{'b' * 64}")
    assert check(store).faults == ()
    assert len(leftovers(store)) == 2
    assert image.layers[0].hex in os.listdir(f"{store.root}/layers")
