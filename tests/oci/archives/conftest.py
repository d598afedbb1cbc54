"""A root between files that must not change, and a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.store.store import Store
from tests.oci.tars import (
    tree,
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root to unpack into, between files that must not change."""
    place = tmp_path / "canary" / "root"
    place.mkdir(parents=True)
    (tmp_path / "canary/file").write_text("mine")
    (tmp_path / "canary/dir").mkdir()
    (tmp_path / "canary/dir/file").write_text("mine")
    before = {k: v for k, v in tree(tmp_path).items() if b"root" not in k}
    yield place
    after = {k: v for k, v in tree(tmp_path).items() if b"root" not in k}
    assert after == before


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()
