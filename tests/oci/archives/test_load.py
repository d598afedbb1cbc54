"""oci.archives.load: images into the store, from archives good and bad."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.oci.archives.load import Loaded, load, load_base
from lamina.oci.errors import DigestMismatch, InvalidArchive, InvalidImage, NotFound
from lamina.oci.platforms import parse_platform
from lamina.oci.store.check import check
from lamina.oci.store.store import Store
from tests.oci.image_archives import (
    OCI,
    Files,
    changed,
    config,
    descriptor,
    digest,
    docker_archive,
    layout,
    tar,
    write_folder,
)

ONE = tar({"etc/name": b"one", "bin/sh": b"x" * 5000})
TWO = tar({"etc/other": b"two"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def put(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "archive"
    path.write_bytes(data)
    return str(path)


def load_tar(store: Store, tmp_path: Path, files: Files) -> tuple[Loaded, ...]:
    return load(store, put(tmp_path, tar(files)))


def content(store: Store, loaded: Loaded, number: int, name: str) -> bytes:
    path = store.layer_path(loaded.image.layers[number])
    return Path(path, name).read_bytes()


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


# Bases of recipes


def test_a_base_from_a_layout_by_tag(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "layout", layout(ONE, names=("v1", "v2")))
    image = load_base(store, "oci-layout", f"{folder}:v2")
    assert image.id == digest(config(ONE))
    assert store.references() == {}


def test_a_base_from_a_layout_by_digest(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "layout", layout(ONE, names=("v1",)))
    listed = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    image = load_base(store, "oci-layout", f"{folder}@{listed[0]['digest']}")
    assert image.id == digest(config(ONE))
    with pytest.raises(NotFound):
        load_base(store, "oci-layout", f"{folder}@sha256:{'0' * 64}")


def test_a_base_from_an_archive(store: Store, tmp_path: Path) -> None:
    path = put(tmp_path, tar(docker_archive(ONE)))
    for place in (path, f"{path}:app:1"):
        assert load_base(store, "docker-archive", place).id == digest(config(ONE))


def test_a_base_that_is_not_there(store: Store, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "layout", layout(ONE, names=("v1",)))
    with pytest.raises(NotFound) as caught:
        load_base(store, "oci-layout", f"{folder}:v9")
    assert caught.value.hint == "It has v1."
    with pytest.raises(InvalidArchive, match="cannot be read"):
        load_base(store, "oci-layout", str(tmp_path / "nowhere"))
    with pytest.raises(InvalidArchive, match=r"no manifest\.json"):
        load_base(store, "docker-archive", str(folder))


# Bad input


def with_blob(files: Files, old: bytes, new: bytes) -> Files:
    """The layout with another content under a blob's name."""
    return {**files, f"blobs/sha256/{digest(old)[7:]}": new}


MANIFEST = "manifest.json"
SQUEEZED = gzip.compress(ONE)
BAD: dict[str, tuple[Files, type[LaminaError]]] = {
    "nothing": ({"readme": b""}, InvalidArchive),
    "config of another digest": (
        {
            **docker_archive(ONE),
            f"{digest(config(ONE))[7:]}.json": config(ONE) + b" ",
        },
        DigestMismatch,
    ),
    "layer of another digest": (
        {**docker_archive(ONE), "0/layer.tar": TWO},
        DigestMismatch,
    ),
    "missing layer": (
        {n: d for n, d in docker_archive(ONE).items() if n != "0/layer.tar"},
        InvalidArchive,
    ),
    "missing config": (
        changed(docker_archive(ONE), MANIFEST, Config="x.json"),
        InvalidArchive,
    ),
    "layer outside": (
        changed(docker_archive(ONE), MANIFEST, Layers=["../../etc/passwd"]),
        InvalidArchive,
    ),
    "layer at an absolute path": (
        changed(docker_archive(ONE), MANIFEST, Layers=["/etc/passwd"]),
        InvalidArchive,
    ),
    "fewer layers than the config": (
        changed(docker_archive(ONE, TWO), MANIFEST, Layers=["0/layer.tar"]),
        InvalidImage,
    ),
    "null layers": (changed(docker_archive(ONE), MANIFEST, Layers=None), InvalidImage),
    "numbers for names": (
        changed(docker_archive(ONE), MANIFEST, Layers=[3]),
        InvalidImage,
    ),
    "a name that is none": (
        changed(docker_archive(ONE), MANIFEST, RepoTags=["../x"]),
        LaminaError,
    ),
    "huge manifest": (
        {**docker_archive(ONE), MANIFEST: b" " * (5 << 20)},
        InvalidArchive,
    ),
    "empty manifest": ({**docker_archive(ONE), MANIFEST: b"[]"}, InvalidImage),
    "manifest of nulls": ({**docker_archive(ONE), MANIFEST: b"[null]"}, InvalidImage),
    "no tar in a layer": (
        {**docker_archive(ONE), "0/layer.tar": b"x" * 2000},
        InvalidArchive,
    ),
    "a link that leaves": (
        docker_archive(tar({"../../escaped": b"x"})),
        InvalidArchive,
    ),
    "blob of another digest": (
        with_blob(layout(ONE, blobs=(SQUEEZED,)), SQUEEZED, gzip.compress(ONE, 1)),
        DigestMismatch,
    ),
    "cut blob": (
        with_blob(layout(ONE, blobs=(SQUEEZED,)), SQUEEZED, SQUEEZED[:-9]),
        InvalidArchive,
    ),
    "config changed in a layout": (
        with_blob(layout(ONE), config(ONE), config(TWO)),
        DigestMismatch,
    ),
    "an index that is an image": (
        changed(layout(ONE), "index.json", layers=[], config={}),
        InvalidImage,
    ),
    "an empty index": (
        changed(layout(ONE), "index.json", manifests=[]),
        InvalidArchive,
    ),
    "another layout": (
        changed(layout(ONE), "oci-layout", imageLayoutVersion="2.0.0"),
        InvalidImage,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_changes_no_name_and_leaves_nothing(
    store: Store, tmp_path: Path, name: str
) -> None:
    (before,) = load_tar(store, tmp_path, docker_archive(TWO))
    files, error = BAD[name]
    with pytest.raises(error) as caught:
        load_tar(store, tmp_path, files)
    assert caught.value.message
    assert [row.id for row in store.images()] == [before.image.id]
    assert store.references() == {"docker.io/library/app:1": before.image.id}
    assert os.listdir(f"{store.root}/tmp") == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_cut_archive(store: Store, tmp_path: Path, share: float) -> None:
    data = tar(docker_archive(ONE, TWO)).rstrip(b"\0")
    with pytest.raises((InvalidArchive, InvalidImage)):
        load(store, put(tmp_path, data[: int(len(data) * share)]))
    assert store.images() == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no image"),
        (b"PK\x03\x04" + b"z" * 5000, "archive"),
        (gzip.compress(b"not a tar" * 100), "archive"),
        (gzip.compress(tar(docker_archive(ONE)))[:-20], "cut"),
    ],
    ids=["empty", "zip", "gzip of text", "cut gzip"],
)
def test_what_is_no_archive(
    store: Store, tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(InvalidArchive, match=message):
        load(store, put(tmp_path, data))


def test_a_file_that_is_not_there(store: Store) -> None:
    with pytest.raises(InvalidArchive, match="No such file"):
        load(store, "/nowhere/archive.tar")


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


NAME = b"one\n"
MEMBER = tar({"etc/name": NAME}).rstrip(b"\0")


@pytest.mark.parametrize(
    "layer",
    [
        b"",
        bytes(512),
        bytes(1024),
        MEMBER + bytes(-len(MEMBER) % 512),
        MEMBER + bytes(-len(MEMBER) % 512 + 512),
        # Without padding.
        MEMBER,
    ],
    ids=["nothing", "one block", "two blocks", "no end", "half an end", "no padding"],
)
@pytest.mark.parametrize("kind", ["docker", "layout"])
def test_a_layer_without_its_end_is_what_its_digest_says(
    store: Store, tmp_path: Path, layer: bytes, kind: str
) -> None:
    """As docker, podman and skopeo take them, and given back byte for byte."""
    files = docker_archive(ONE, layer) if kind == "docker" else layout(ONE, layer)
    (loaded,) = load_tar(store, tmp_path, files)
    if MEMBER in layer:
        assert content(store, loaded, 1, "etc/name") == NAME
    written: list[bytes] = []
    store.layer_tar(loaded.image.config.diff_ids[1], written.append)
    assert b"".join(written) == layer
    assert check(store).faults == ()


@pytest.mark.parametrize("length", [100, 511, 513, 515])
def test_a_layer_that_is_cut_in_a_member(
    store: Store, tmp_path: Path, length: int
) -> None:
    with pytest.raises(InvalidArchive, match="cut"):
        load_tar(store, tmp_path, docker_archive(ONE, MEMBER[:length]))
    assert store.images() == ()
