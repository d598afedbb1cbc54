"""builder.build: files that change between a step's key and the step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.build import build
from lamina.builder.errors import SourceChanged
from lamina.builder.events import Event, Note, StepCached, StepStarted
from lamina.builder.inputs.build import BuildInputs
from lamina.builder.inputs.epoch import Epoch
from lamina.builder.inputs.recipe import RecipeInputs
from lamina.oci.store.store import Store

pytestmark = pytest.mark.root("layers are made in this process")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


class Writer:
    """Hears of a build, and writes `f` anew when a step has started, `times` often."""

    def __init__(self, file: Path, times: int) -> None:
        self.heard: list[Event] = []
        self._file = file
        self._left = times

    def __call__(self, event: Event) -> None:
        self.heard.append(event)
        if isinstance(event, StepStarted) and self._left:
            self._file.write_text(f"{self._left}")
            self._left -= 1

    def notes(self) -> int:
        notes = (event.text for event in self.heard if isinstance(event, Note))
        return sum("looked at again" in text for text in notes)


def copying(folder: Path) -> BuildInputs:
    recipe = RecipeInputs("Recipe", b"FROM scratch\nCOPY f /f\n", "", "")
    epoch = Epoch(None, "a test")
    return BuildInputs(recipe, str(folder), b"", "linux/amd64", epoch)


def content(store: Store, image: str) -> str:
    (layer,) = store.image(image).layers
    return Path(store.layer_path(layer), "f").read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_changes_before_its_copy(
    store: Store, tmp_path: Path, times: int
) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "f").write_text("old")
    writer = Writer(folder / "f", times)
    (image,) = build(store, copying(folder), writer)
    assert content(store, image.id) == "1"
    assert writer.notes() == times
    # What was there at first has not been copied yet.
    (folder / "f").write_text("old")
    (image,) = build(store, copying(folder), writer)
    assert content(store, image.id) == "old"
    assert not any(isinstance(event, StepCached) for event in writer.heard)


def test_a_file_that_never_rests(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "f").write_text("old")
    writer = Writer(folder / "f", 9)
    with pytest.raises(SourceChanged, match="changed") as caught:
        build(store, copying(folder), writer)
    assert caught.value.place == "Recipe:2:1"
    assert ".dockerignore" in caught.value.hint
    assert writer.notes() == 2
