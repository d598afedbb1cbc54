"""`lamina-runtime` with a root directory of its own; no test leaves anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bundles.configs import Config, Show
from tests.runtime.bundles.running import output
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


@pytest.fixture
def show(runtime: Runtime, busybox_root: Path) -> Show:
    """What a script prints in a container whose config.json was changed."""

    def run(script: str, change: Callable[[Config], Any] = lambda _: None) -> str:
        return output(runtime, busybox_root, script, change)

    return run
