"""oci.archives.save: archives that come back as the images they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.archives.load import load
from lamina.oci.archives.save import Form, Saved, save
from lamina.oci.archives.writer import (
    ArchiveWriter,
    FolderWriter,
    TarWriter,
    folder_at,
    tar_at,
)
from lamina.oci.digest import Digest
from lamina.oci.errors import DigestMismatch, InvalidArchive
from lamina.oci.manifest import Descriptor
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Image, Store
from tests.oci.image_archives import docker_archive, tar

ONE = tar({"etc/name": b"one" * 500, "bin/sh": b"x" * 5000})
TWO = tar({"etc/other": b"two"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def load_image(store: Store, tmp_path: Path, *layers: bytes) -> Image:
    path = tmp_path / "in.tar"
    path.write_bytes(tar(docker_archive(*layers)))
    return load(store, str(path))[0].image


def named(image: Image, *names: str) -> Saved:
    return Saved(image, tuple(parse_reference(name) for name in names))


def write(
    store: Store, path: Path, *images: Saved, compression: str = "none"
) -> tuple[Descriptor, ...]:
    docker = compression == "none"
    with tar_at(str(path)) as descriptor:
        writer = TarWriter(descriptor, str(path.parent))
        return save(store, images, writer, Form(docker, compression))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_what_is_saved_loads_as_it_was(
    store: Store, tmp_path: Path, compression: str
) -> None:
    image = load_image(store, tmp_path, ONE, TWO)
    out = tmp_path / "out.tar"
    write(store, out, named(image, "app:1", "q.io/app:2"), compression=compression)
    other = Store.open(str(tmp_path / "other"))
    found = load(other, str(out))
    assert [loaded.image for loaded in found] == [image]
    assert sorted(other.references()) == ["docker.io/library/app:1", "q.io/app:2"]
    assert other.image_config(image.id) == store.image_config(image.id)
    other.close()


def test_the_same_image_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    saved = named(load_image(store, tmp_path, ONE, TWO), "app:1")
    for name in ("a", "b"):
        write(store, tmp_path / name, saved, compression="gzip")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_pipe_gets_the_bytes_that_a_file_gets(store: Store, tmp_path: Path) -> None:
    saved = named(load_image(store, tmp_path, ONE, TWO), "app:1")
    write(store, tmp_path / "file", saved)
    reader, writer = os.pipe()
    save(store, [saved], TarWriter(writer, str(tmp_path)), Form(True, "none"))
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == (tmp_path / "file").read_bytes()


def test_each_blob_is_there_once(store: Store, tmp_path: Path) -> None:
    first = load_image(store, tmp_path, ONE)
    second = load_image(store, tmp_path, ONE, TWO)
    out = tmp_path / "out.tar"
    write(store, out, named(first, "a:1"), named(second, "b:1"), named(first, "c:1"))
    with tarfile.open(out) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        member = archive.extractfile("manifest.json")
        assert member is not None
        entries = json.load(member)
    assert [entry["RepoTags"] for entry in entries] == [["a:1", "c:1"], ["b:1"]]


def test_a_folder_is_a_layout(store: Store, tmp_path: Path) -> None:
    image = load_image(store, tmp_path, ONE)
    out = tmp_path / "layout"
    with folder_at(str(out)) as path:
        writer: ArchiveWriter = FolderWriter(path)
        (entry,) = save(store, [named(image)], writer)
    digest = entry.digest
    assert sorted(os.listdir(out)) == ["blobs", "index.json", "oci-layout"]
    assert Digest.of((out / "blobs/sha256" / digest.hex).read_bytes()) == digest


def test_a_folder_with_something_in_it_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(InvalidArchive, match="not empty"), folder_at(str(tmp_path)):
        pass
    assert os.listdir(tmp_path) == ["precious"]


def test_a_damaged_layer_is_noticed_and_nothing_is_left(
    store: Store, tmp_path: Path
) -> None:
    image = load_image(store, tmp_path, ONE)
    Path(store.layer_path(image.layers[0]), "etc/name").write_bytes(b"two" * 500)
    out = tmp_path / "out.tar"
    out.write_bytes(b"before")
    with pytest.raises(DigestMismatch):
        write(store, out, named(image, "app:1"))
    assert out.read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["in.tar", "out.tar", "store"]


def test_a_folder_that_was_not_finished_goes_with_the_next(tmp_path: Path) -> None:
    """Of a process that was killed; not that of one which is at it."""
    out = tmp_path / "out"
    program = (
        "import os, sys; from lamina.oci.archives.writer import folder_at\n"
        "with folder_at(sys.argv[1]) as place: open(place + '/x', 'w'); os._exit(9)"
    )
    for name in ("out", "another"):
        words = [sys.executable, "-c", program, str(tmp_path / name)]
        assert subprocess.run(words, check=False).returncode == 9
    assert len(os.listdir(tmp_path)) == 2
    with folder_at(str(out)) as ours, folder_at(str(out)) as theirs:
        assert ours != theirs
        left = {*os.listdir(tmp_path)} - {Path(ours).name, Path(theirs).name}
        assert [name.startswith(".another.") for name in left] == [True]
    assert os.listdir(out) == []
