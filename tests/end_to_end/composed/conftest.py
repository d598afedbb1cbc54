"""A project for each test, which is gone when the test is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina
from tests.end_to_end.composed.app import App


@pytest.fixture
def app(lamina: Lamina, tmp_path: Path) -> Iterator[App]:
    # Its name is that of its folder, and networks are the machine's.
    made = App(lamina, tmp_path / f"app{os.getpid()}")
    try:
        yield made
    finally:
        made.end()
