"""The place that most copies here go to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builder.ops.places import Place, make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    make(place.context, f="f", g="g", d__x="x", d__in__y="y", d__link="-> x")
    make(place.view, dir__old="old", file="file", to__dir="dir", etc="dir")
    return place
