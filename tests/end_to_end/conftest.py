"""Every test gets `lamina`: the command, on a store with one image, `busybox`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Lamina]:
    """The command on a store of its own; nothing may be left when the test ends."""
    command = Lamina(tmp_path).with_base()
    yield command
    command.end()
    assert command.left_behind() == []
