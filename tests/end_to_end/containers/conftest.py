"""A machine for all tests of a module; each leaves it as it was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.busybox import make_base
from tests.end_to_end.containers.machine import Machine


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("machine")
    guest = {"user": "guest", "volumes": ("/data",), "exposed_ports": ("80",)}
    make_base(place, busybox={}, guest=guest)
    yield Machine(place)


@pytest.fixture
def lamina(shared: Machine) -> Iterator[Machine]:
    """The machine; whatever a test started is gone when it is over."""
    try:
        yield shared
    finally:
        left = shared.out("ps", "-aq").split()
        if left:
            shared("rm", "-f", "-v", *left)
        for name in (shared.store / "volumes").glob("*"):
            subprocess.run(["rm", "-r", name], check=True)
