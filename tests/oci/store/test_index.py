"""oci.store.index: what SQLite refuses is told as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.errors import StoreError
from lamina.oci.store.index import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(str(tmp_path / "index"), patience=0.01)
    yield opened
    opened.close()


def test_one_that_another_process_writes_to(index: Index, tmp_path: Path) -> None:
    other = Index(str(tmp_path / "index"))
    with (
        other.transaction(),
        pytest.raises(StoreError, match=r"has .*index locked") as told,
    ):
        index.rows("DELETE FROM layer")
    assert "30 seconds" not in str(told.value)
    other.close()
    index.rows("DELETE FROM layer")


def test_one_that_may_not_grow(index: Index) -> None:
    index.rows("PRAGMA max_page_count=1")  # it is never less than what there is
    with pytest.raises(StoreError, match="No space left"):
        index.many("INSERT INTO reference VALUES (?, '')", rows(10_000))
    assert index.rows("SELECT * FROM reference") == []


def test_anything_else_is_told_in_sqlite_s_words(index: Index) -> None:
    with pytest.raises(StoreError, match="cannot be used: no such"):
        index.rows("SELECT * FROM nosuch")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="is damaged: file is not a database"):
        Index(str(path))


def rows(count: int) -> list[tuple[str]]:
    return [(f"sha256:{number:064}",) for number in range(count)]
