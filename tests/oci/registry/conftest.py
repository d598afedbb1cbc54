from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.registry.connection.retry import Patience
from lamina.oci.registry.session import Session
from lamina.oci.store.store import Store

# Every try that there is, and no waiting.
HURRY = Patience(sleep=lambda stop, seconds: None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(patience=HURRY) as opened:
        yield opened
