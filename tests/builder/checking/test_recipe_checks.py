"""--build-arg names that no ARG takes."""

from __future__ import annotations

from lamina.builder.checking.recipe_checks import unused_arguments
from lamina.lang.parser import parse
from lamina.lang.source import Source

RECIPE = """\
ARG BASE=scratch
FROM $BASE AS one
ARG A B=2
FROM one
"""


def test_what_nothing_reads_may_be_misspelt() -> None:
    recipe = parse(Source("Dockerfile", RECIPE))
    given = ("BASE", "A", "B", "a", "VERISON", "http_proxy", "TARGETARCH")
    assert unused_arguments(recipe, dict.fromkeys(given, "")) == ("a", "VERISON")
