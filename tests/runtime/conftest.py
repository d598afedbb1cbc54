"""One busybox root and one zygote for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.isolation.zygote import Options, Zygote
from tests.runtime.launches import Bench, make_root


@pytest.fixture(scope="session")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be read: what containers change is in their upper directories."""
    return make_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session")
def shared_zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    keep = str(tmp_path_factory.getbasetemp())
    with Zygote.start(Options(keep=(keep,))) as zygote:
        yield zygote


@pytest.fixture
def bench(tmp_path: Path, busybox_root: Path, shared_zygote: Zygote) -> Bench:
    return Bench(tmp_path, busybox_root, shared_zygote)
