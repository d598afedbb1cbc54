"""oci.archives.load: images into the store, from archives good and bad."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.oci.archives.load import load
from lamina.oci.platforms import parse_platform
from lamina.oci.store.store import Store
from tests.oci.archives.loads import ONE, TWO, content, load_tar, put
from tests.oci.image_archives import (
    OCI,
    Files,
    config,
    descriptor,
    digest,
    docker_archive,
    layout,
    tar,
    write_folder,
)


@pytest.mark.parametrize("make", [docker_archive, layout])
def test_an_image_keeps_its_id_its_layers_and_its_name(
    store: Store, tmp_path: Path, make: Callable[..., Files]
) -> None:
    (found,) = load_tar(store, tmp_path, make(ONE, TWO))
    assert found.image.id == digest(config(ONE, TWO))
    assert store.image_config(found.image.id) == config(ONE, TWO)
    assert found.image.config.diff_ids == (digest(ONE), digest(TWO))
    assert content(store, found, 0, "etc/name") == b"one"
    assert content(store, found, 1, "etc/other") == b"two"
    assert store.references() == {"docker.io/library/app:1": found.image.id}
    assert os.listdir(f"{store.root}/tmp") == []


def test_a_layer_comes_out_as_it_came_in(store: Store, tmp_path: Path) -> None:
    load_tar(store, tmp_path, docker_archive(ONE))
    out = io.BytesIO()
    store.layer_tar(digest(ONE), out.write)
    assert out.getvalue() == ONE


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress], ids=["gz", "bz2"])
def test_archives_may_be_compressed(
    store: Store, tmp_path: Path, squeeze: Callable[[bytes], bytes]
) -> None:
    path = put(tmp_path, squeeze(tar(docker_archive(ONE))))
    assert load(store, path)[0].image.id == digest(config(ONE))


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress], ids=["plain", "gz"])
def test_archives_may_come_through_a_pipe(
    store: Store, squeeze: Callable[[bytes], bytes]
) -> None:
    reader, writer = os.pipe()

    def feed() -> None:
        with open(writer, "wb") as pipe:
            pipe.write(squeeze(tar(docker_archive(ONE, TWO))))

    thread = threading.Thread(target=feed)
    thread.start()
    (found,) = load(store, reader)
    thread.join()
    os.close(reader)
    assert found.image.id == digest(config(ONE, TWO))


def test_a_layout_may_be_a_folder(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "layout", layout(ONE))
    (found,) = load(store, str(folder))
    assert found.image.id == digest(config(ONE))


def test_layers_may_be_compressed(store: Store, tmp_path: Path) -> None:
    files = layout(ONE, TWO, blobs=(gzip.compress(ONE), gzip.compress(TWO)))
    (found,) = load_tar(store, tmp_path, files)
    assert content(store, found, 1, "etc/other") == b"two"
    assert store.image_manifest(found.image.id) is not None


def test_a_layer_that_is_here_is_not_read_again(store: Store, tmp_path: Path) -> None:
    load_tar(store, tmp_path, docker_archive(ONE))
    files = docker_archive(ONE, TWO)
    files["0/layer.tar"] = b"never looked at"
    (found,) = load_tar(store, tmp_path, files)
    assert content(store, found, 0, "etc/name") == b"one"


def test_links_for_layers_that_are_twins(store: Store, tmp_path: Path) -> None:
    out = io.BytesIO()
    files = docker_archive(ONE, ONE)
    del files["1/layer.tar"]
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("1/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../0/layer.tar"
        archive.addfile(link)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    (found,) = load(store, put(tmp_path, out.getvalue()))
    assert found.image.layers == (digest(ONE), digest(ONE))


def test_several_images_and_names(store: Store, tmp_path: Path) -> None:
    first = docker_archive(ONE, tags=("a:1", "b:2"))
    second = docker_archive(ONE, TWO, tags=())
    manifest = json.loads(first["manifest.json"]) + json.loads(second["manifest.json"])
    both = {**first, **second, "manifest.json": json.dumps(manifest).encode()}
    found = load_tar(store, tmp_path, both)
    assert [len(loaded.references) for loaded in found] == [2, 0]
    assert len(store.images()) == 2
    assert set(store.references().values()) == {found[0].image.id}


def test_a_name_moves_to_the_image_that_came_last(store: Store, tmp_path: Path) -> None:
    (old,) = load_tar(store, tmp_path, docker_archive(ONE))
    (new,) = load_tar(store, tmp_path, docker_archive(TWO))
    assert store.references() == {"docker.io/library/app:1": new.image.id}
    assert {row.id for row in store.images()} == {old.image.id, new.image.id}


def test_a_bare_tag_in_a_layout_is_no_name(store: Store, tmp_path: Path) -> None:
    (found,) = load_tar(store, tmp_path, layout(ONE, names=("latest",)))
    assert found.references == ()


def test_all_platforms_are_loaded_or_the_one_that_is_asked_for(
    store: Store, tmp_path: Path
) -> None:
    mine, other = layout(ONE), layout(TWO)
    entries = [
        {
            **json.loads(files["index.json"])["manifests"][0],
            "platform": {"os": "linux", "architecture": architecture},
        }
        for files, architecture in ((other, "s390x"), (mine, os.uname().machine))
    ]
    inner = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    named = {"org.opencontainers.image.ref.name": "q.io/app:1"}
    entry = {**descriptor(OCI + "index.v1+json", inner), "annotations": named}
    outer = {"schemaVersion": 2, "manifests": [entry]}
    files = {
        **mine,
        **other,
        f"blobs/sha256/{digest(inner)[7:]}": inner,
        "index.json": json.dumps(outer).encode(),
    }
    path = put(tmp_path, tar(files))
    (found,) = load(store, path, parse_platform("s390x"))
    assert found.image.id == digest(config(TWO))
    assert store.resolve_any("q.io/app:1") == found.image.id
    ones, twos = (digest(config(content)) for content in (ONE, TWO))
    both = load(store, path)
    assert {loaded.image.id for loaded in both} == {ones, twos}
    assert store.resolve_any("q.io/app:1") == both[0].index
    assert store.resolve_any(f"q.io/app@{digest(inner)}") == both[0].index
    assert store.resolve_id("q.io/app:1") == ones
    assert store.resolve_id("q.io/app:1", "linux/s390x") == twos
    assert store.resolve_id("q.io/app:1", "linux/arm64") is None


def test_two_at_once_load_the_same_image(tmp_path: Path) -> None:
    path = put(tmp_path, tar(docker_archive(ONE, TWO)))
    root = str(tmp_path / "store")
    Store.open(root).close()
    errors: list[BaseException] = []

    def one() -> None:
        mine = Store.open(root)
        try:
            load(mine, path)
        except BaseException as error:
            errors.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(os.listdir(f"{root}/layers")) == 2
