"""Cgroups to test with, on each mount that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.spec import Resources
from tests.runtime.cgroups.inside import (
    MOUNTS,
    Maker,
)


@pytest.fixture(params=MOUNTS)
def mount(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def create(mount: str) -> Iterator[Maker]:
    """Cgroups that are gone after the test, whatever it did with them."""
    made: list[Cgroup] = []

    def maker(resources: Resources | None = None, ceiling: int = 0) -> Cgroup:
        label = f"test{len(made)}"
        group = owned.create(label, resources or Resources(), ceiling, mount)
        made.append(group)
        return group

    yield maker
    for group in made:
        group.kill()
        group.delete()
