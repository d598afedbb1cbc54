"""Names between stages."""

from __future__ import annotations

import pytest

from lamina.lang.parser import parse
from lamina.lang.source import Source
from lamina.lang.stages import stage_names

RECIPE = """\
FROM a AS x
FROM b
FROM c AS X
FROM d AS last
"""


@pytest.mark.parametrize(
    ("name", "index", "found"),
    [
        ("x", 3, 2),
        ("X", 3, 2),
        ("x", 2, 0),
        ("x", 0, None),
        ("0", 1, 0),
        ("1", 1, None),
        ("1", 3, 1),
        ("nginx", 3, None),
        ("99999999999", 3, None),
        ("\u0661", 3, None),
    ],
)
def test_from_means_the_nearest_stage_before(
    name: str, index: int, found: int | None
) -> None:
    names = stage_names(parse(Source("Recipe", RECIPE)).stages)
    stage = names.source(name, index)
    assert (None if stage is None else stage.index) == found


def test_the_last_of_a_name() -> None:
    names = stage_names(parse(Source("Recipe", RECIPE)).stages)
    stage = names.last("x")
    assert stage is not None and stage.index == 2
    assert names.before("1", 3) is None
