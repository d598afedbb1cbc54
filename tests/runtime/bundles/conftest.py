"""`lamina-runtime` with a root directory of its own; no test leaves anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.oci import Runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    found = Runtime(tmp_path)
    yield found
    found.end()
    left = os.listdir(found.root) if found.root.exists() else []
    assert left == []
    for identity in found.ids:
        assert not list(Path("/sys/fs/cgroup").glob(f"*/lamina-runtime/{identity}"))
