"""One plan for several platforms."""

from __future__ import annotations

import pytest

from lamina.builder.planning.base import Base, BaseRequest
from lamina.builder.planning.options import PlanOptions
from lamina.builder.planning.plan import plan
from lamina.builder.solving.graph import (
    RunOp,
)
from lamina.errors import LaminaError
from lamina.lang.parser import parse
from lamina.lang.source import Source
from tests.builder.planning.plans import (
    BASE,
    LAYERS,
    planned,
)

CROSS = """\
FROM --platform=$BUILDPLATFORM base AS compiler
RUN fetch
ARG TARGETARCH
RUN compile --for $TARGETARCH
FROM base AS app
ARG TARGETPLATFORM
ARG BUILDPLATFORM
COPY --from=compiler /app /app
RUN about $BUILDPLATFORM $TARGETPLATFORM
"""


def test_a_plan_for_several_platforms_has_each_step_once() -> None:
    graph = planned(CROSS, platforms=("linux/amd64", "linux/arm64"))
    assert sorted(step.name for step in graph.steps) == [
        "[linux/amd64 app 1/3] FROM base",
        "[linux/amd64 app 2/3] COPY --from=compiler /app /app",
        "[linux/amd64 app 3/3] RUN about $BUILDPLATFORM $TARGETPLATFORM",
        "[linux/amd64 compiler 1/4] FROM base",
        "[linux/amd64 compiler 2/4] RUN fetch",
        "[linux/amd64 compiler 3/4] RUN compile --for $TARGETARCH",
        "[linux/amd64 compiler 4/4] RUN compile --for $TARGETARCH",
        "[linux/arm64 app 1/3] FROM base",
        "[linux/arm64 app 2/3] COPY --from=compiler /app /app",
        "[linux/arm64 app 3/3] RUN about $BUILDPLATFORM $TARGETPLATFORM",
    ]
    assert all(f"[{step.platform} " in step.name for step in graph.steps)
    about = graph.steps[-1].operation
    assert isinstance(about, RunOp)
    assert {"TARGETPLATFORM=linux/arm64", "BUILDPLATFORM=linux/amd64"} <= {*about.env}
    assert [product.name for product in graph.products] == ["app", "app"]


def test_bases_are_asked_for_by_platform_only_where_one_was_named() -> None:
    asked = []

    def resolve(request: BaseRequest) -> Base:
        asked.append((request.name, request.platform))
        return Base(BASE, LAYERS)

    text = "FROM a AS x\nFROM --platform=linux/aarch64 b AS y\n"
    text += "COPY --from=x / /\nCOPY --from=c / /\n"
    recipe = parse(Source("Recipe", text))
    plan(recipe, PlanOptions("linux/amd64"), resolve)
    assert asked == [("b", "linux/arm64"), ("a", ""), ("c", "")]
    asked.clear()
    plan(recipe, PlanOptions("linux/amd64", platforms=("linux/riscv64",)), resolve)
    assert asked == [
        ("b", "linux/arm64"),
        ("a", "linux/riscv64"),
        ("c", "linux/riscv64"),
    ]


def test_what_is_no_platform_is_an_error_with_its_place() -> None:
    with pytest.raises(LaminaError, match="is not a platform") as caught:
        planned("FROM base AS x\nFROM --platform=linux/!! base\n")
    assert "2" in str(caught.value.place)
