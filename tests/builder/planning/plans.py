"""Recipes planned on a base that is no image, and what the plan says."""

from __future__ import annotations

from lamina.builder.planning.base import Base, BaseRequest
from lamina.builder.planning.options import PlanOptions
from lamina.builder.planning.plan import plan
from lamina.builder.solving.graph import (
    CopyOp,
    Graph,
    Operation,
    RunOp,
)
from lamina.lang.dialect import Dialect
from lamina.lang.parser import parse
from lamina.lang.source import Source
from lamina.oci.config import History, ImageConfig
from lamina.oci.digest import Digest
from lamina.values import replace

BASE = ImageConfig(
    "amd64",
    "linux",
    env=("PATH=/bin", "LANG=C"),
    cmd=("sh",),
    working_dir="/home",
    history=(History(created_by="the base"),),
)
BARE = ImageConfig("amd64", "linux")
LAYERS = (Digest.of(b"base layer"),)


def planned(text: str, base: ImageConfig = BASE, **options: object) -> Graph:
    """The graph of a recipe whose every base is `base`; `compat` as the option."""

    def resolve(request: BaseRequest) -> Base:
        return Base(base, LAYERS)

    dialect = Dialect(extended=True, compat=bool(options.pop("compat", False)))
    recipe = parse(Source("Recipe", text), dialect=dialect)
    wanted = replace(PlanOptions("linux/amd64"), **options)
    return plan(recipe, wanted, resolve)


def config_of(graph: Graph) -> ImageConfig:
    """The config of a graph's only image."""
    (product,) = graph.products
    return product.config


def env_of(graph: Graph) -> dict[str, str]:
    """The environment of the last RUN."""
    runs = [s.operation for s in graph.steps if isinstance(s.operation, RunOp)]
    return dict(pair.split("=", 1) for pair in runs[-1].env)


def operations(graph: Graph) -> list[Operation]:
    return [step.operation for step in graph.steps]


def copied(text: str, compat: bool = False) -> CopyOp:
    operation = planned(f"FROM base\n{text}\n", compat=compat).steps[1].operation
    assert isinstance(operation, CopyOp)
    return operation
