"""The sample of services is one that is understood."""

from __future__ import annotations

from pathlib import Path

from lamina.services.compose.asked import Asked
from lamina.services.compose.load import load
from lamina.services.project import HEALTHY, START_FIRST, Dependency
from lamina.services.reading import project_of

SHOP = Path(__file__).parents[2] / "samples/shop"


def test_the_shop() -> None:
    found = load(Asked(cwd=str(SHOP), environment={}))
    assert found.warnings == ()
    project = project_of(found)
    api = project.service("api")
    assert api is not None
    assert (api.scale, api.update.order, api.grouped) == (3, START_FIRST, True)
    assert api.depends_on == (Dependency("store", HEALTHY),)
    assert project.configs["greeting"]["content"] == "Hello"
