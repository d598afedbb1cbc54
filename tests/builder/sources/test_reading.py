"""Files that are others, or of another kind, once they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.builder.errors import SourceChanged
from lamina.builder.sources.reading import Reader
from lamina.builder.sources.record import record_of

READER = Reader("the context", owners=False)
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    fd = os.open(tmp_path, DIRECTORY)
    yield tmp_path / "one", fd
    os.close(fd)


def link(path: Path) -> None:
    path.symlink_to("elsewhere")


def write(path: Path) -> None:
    path.write_text("content")


def seen(path: Path) -> bytes:
    return record_of(os.lstat(path))


@pytest.mark.parametrize(("before", "after"), [(link, write), (write, link)])
def test_what_is_of_another_kind_is_read_as_that(
    place: tuple[Path, int],
    before: Callable[[Path], None],
    after: Callable[[Path], None],
) -> None:
    path, fd = place
    before(path)
    known = seen(path)
    path.unlink()
    after(path)
    found = READER.read(fd, "one", known, "one")
    fresh = READER.read(fd, "one", seen(path), "one")
    assert found is not None and fresh is not None
    assert found[:2] == fresh[:2] and found[0] == seen(path)


@pytest.mark.parametrize("before", [link, write])
def test_a_directory_is_another_listing(
    place: tuple[Path, int], before: Callable[[Path], None]
) -> None:
    path, fd = place
    before(path)
    known = seen(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceChanged, match="one of the context changes"):
        READER.read(fd, "one", known, "one")
    with pytest.raises(SourceChanged):
        READER.read(fd, "one", seen(path), "one")


def test_what_is_gone_is_not_there(place: tuple[Path, int]) -> None:
    path, fd = place
    write(path)
    known = seen(path)
    path.unlink()
    assert READER.read(fd, "one", known, "one") is None
