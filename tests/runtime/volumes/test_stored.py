"""Volumes of a store: made once, found, with what was said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.oci.store.store import Store
from lamina.runtime.errors import ContainerError
from lamina.runtime.volumes import stored
from lamina.runtime.volumes.stored import NoSuchVolume, VolumeError


@pytest.fixture
def root(tmp_path: Path) -> str:
    Store.open(str(tmp_path)).close()
    return str(tmp_path)


def test_a_volume_is_what_it_was_made_as(root: str) -> None:
    made = stored.create(root, "data", {"a": "b"}, {"type": "tmpfs"})
    assert stored.load(root, "data") == made
    assert stored.names(root) == ["data"]
    # A second time it is the same one, if nothing else is asked of it.
    assert stored.create(root, "data", {}, {}) == made
    with pytest.raises(VolumeError, match="with other options"):
        stored.create(root, "data", {}, {"type": "nfs"})


def test_what_died_half_made_is_no_volume_and_can_be_made(root: str) -> None:
    Path(root, "volumes/data").mkdir(parents=True)
    Path(root, "volumes/data/volume.json").write_text('{"labels"')
    with pytest.raises(NoSuchVolume):
        stored.load(root, "data")
    assert stored.names(root) == []
    stored.create(root, "data", {"x": ""}, {})
    assert stored.load(root, "data").labels == {"x": ""}


def test_a_volume_from_before_there_were_records(root: str) -> None:
    Path(root, "volumes/old/_data").mkdir(parents=True)
    Path(root, "volumes", "a" * 64, "_data").mkdir(parents=True)
    found = {volume.name: volume for volume in stored.volumes(root)}
    assert not found["old"].anonymous and found["old"].labels == {}
    assert found["a" * 64].anonymous


@pytest.mark.parametrize("name", ["", "a", "/x", "../x", "-x", "a b", "a\0b"])
def test_names_that_none_may_have(name: str) -> None:
    with pytest.raises(ContainerError, match="no name for a volume"):
        stored.check_name(name)
