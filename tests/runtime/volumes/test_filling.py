"""An empty volume gets what the image has, once, whole, whoever dies meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.store.store import Store
from lamina.runtime.volumes import filling, stored
from lamina.runtime.volumes.stored import StoredVolume

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


@pytest.fixture
def volume(tmp_path: Path) -> StoredVolume:
    Store.open(str(tmp_path / "store")).close()
    return stored.create(str(tmp_path / "store"), "data", {}, {})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A root with `/srv/data` in it, and a link that leads out."""
    place = tmp_path / "image/srv/data"
    (place / "inner").mkdir(parents=True)
    (place / "inner/file").write_text("of the image")
    (place / "one").write_text("1")
    os.chmod(place, 0o750)
    (tmp_path / "image/out").symlink_to("/../../../../etc")
    return tmp_path / "image"


@pytest.fixture
def data(volume: StoredVolume) -> Iterator[int]:
    descriptor = os.open(volume.data, _FOLDER)
    yield descriptor
    os.close(descriptor)


def fill(volume: StoredVolume, data: int, image: Path, place: str = "srv/data") -> None:
    filling.fill(volume, data, f"/{place}", lambda: os.open(image, _FOLDER))


def contents(volume: StoredVolume) -> list[str]:
    assert sorted(os.listdir(volume.path)) == ["_data", "volume.json"]
    return sorted(os.listdir(volume.data))


def test_files_and_the_mode_of_the_directory(
    volume: StoredVolume, data: int, image: Path
) -> None:
    fill(volume, data, image)
    assert contents(volume) == ["inner", "one"]
    assert os.stat(volume.data).st_mode & 0o777 == 0o750


def test_one_that_is_not_empty_stays(
    volume: StoredVolume, data: int, image: Path
) -> None:
    Path(volume.data, "own").touch()
    fill(volume, data, image)
    assert contents(volume) == ["own"]


def test_nothing_there_and_links_that_lead_out(
    volume: StoredVolume, data: int, image: Path
) -> None:
    for place in ("nowhere", "srv/data/one", "out"):
        fill(volume, data, image, place)
        assert contents(volume) == []


def test_what_died_while_it_copied_is_begun_again(
    volume: StoredVolume, data: int, image: Path
) -> None:
    half = Path(volume.path, "copying")
    half.mkdir()
    (half / "half of a file").touch()
    fill(volume, data, image)
    assert contents(volume) == ["inner", "one"]


def test_what_died_while_it_moved_is_gone_on_with(
    volume: StoredVolume, data: int, image: Path
) -> None:
    rest = Path(volume.path, "copied")
    rest.mkdir()
    (rest / "inner").mkdir()
    (rest / "one").write_text("of the image")
    Path(volume.data, "one").write_text("by a container, meanwhile")
    fill(volume, data, image)
    assert contents(volume) == ["inner", "one"]
    assert Path(volume.data, "one").read_text() == "by a container, meanwhile"


def test_side_by_side_it_happens_once(
    volume: StoredVolume, data: int, image: Path
) -> None:
    asked = []

    def mount() -> int:
        asked.append(1)
        return os.open(image, _FOLDER)

    threads = [
        threading.Thread(target=filling.fill, args=(volume, data, "/srv/data", mount))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1] and contents(volume) == ["inner", "one"]
