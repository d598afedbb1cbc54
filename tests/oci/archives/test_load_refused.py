"""Archives that are not what they say, and what is left of them: nothing."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.oci.archives.load import load
from lamina.oci.errors import DigestMismatch, InvalidArchive, InvalidImage
from lamina.oci.store.check import check
from lamina.oci.store.store import Store
from tests.oci.archives.loads import ONE, TWO, content, load_tar, put
from tests.oci.image_archives import (
    Files,
    changed,
    config,
    digest,
    docker_archive,
    layout,
    tar,
)


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
