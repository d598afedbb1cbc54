"""`--change` of `commit` and `import`: instructions that only change the config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.builder.errors import InvalidInstruction
from lamina.builder.planning.base import Base
from lamina.builder.planning.options import PlanOptions
from lamina.builder.planning.plan import plan
from lamina.lang import nodes
from lamina.lang.parser import parse
from lamina.lang.source import Source
from lamina.values import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.builder.planning.base import BaseRequest
    from lamina.oci.config import ImageConfig

_ALLOWED = (
    nodes.Cmd,
    nodes.Entrypoint,
    nodes.Env,
    nodes.Expose,
    nodes.Healthcheck,
    nodes.Label,
    nodes.Onbuild,
    nodes.Shell,
    nodes.StopSignal,
    nodes.User,
    nodes.Volume,
    nodes.Workdir,
)


def apply_changes(config: ImageConfig, changes: Iterable[str]) -> ImageConfig:
    """`config` after the instructions, with the history that it had.

    Raises RecipeError for one that is wrong or that needs files, such as RUN.
    """
    text = "\n".join(("FROM image", *changes))
    recipe = parse(Source("--change", text))
    more = [stage.base.span for stage in recipe.stages[1:]]
    for instruction in recipe.stages[0].instructions:
        if not isinstance(instruction, _ALLOWED):
            more.append(instruction.span)
    if more:
        raise InvalidInstruction(
            "This instruction changes more than the image's config.",
            more[0],
            hint="Use it in a recipe.",
        )
    # The image's own triggers are for those who build on it, not for this.
    bare = replace(config, on_build=())

    def image(_request: BaseRequest) -> Base:
        return Base(bare, ())

    options = PlanOptions(f"{config.os}/{config.architecture}")
    found = plan(recipe, options, image).products[0].config
    return replace(
        found, on_build=config.on_build + found.on_build, history=config.history
    )
