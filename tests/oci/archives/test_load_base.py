"""Bases of recipes that come from archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.oci.archives.load import load_base
from lamina.oci.errors import InvalidArchive, NotFound
from lamina.oci.store.store import Store
from tests.oci.archives.loads import ONE, put
from tests.oci.image_archives import (
    config,
    digest,
    docker_archive,
    layout,
    tar,
    write_folder,
)


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
