"""What goes wrong: a clear sentence, the right exit code, nothing lost, nothing left.

Each test ends with a look for what was left behind (the fixture `lamina`), and with
`system check` on the store.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.bases import Lamina


@pytest.fixture(autouse=True)
def sound(lamina: Lamina) -> Iterator[None]:
    """The store is as good as before, and the base is still in it."""
    yield
    lamina.check()
    assert lamina.run("run", "--rm", "busybox", "echo", "well").out == "well\n"
