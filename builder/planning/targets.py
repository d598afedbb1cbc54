"""The stages of a recipe that a build is for."""

from __future__ import annotations

from lamina.builder.errors import InvalidOption
from lamina.lang.stages import stage_names
from lamina.lang.suggest import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.lang.recipe import Recipe


def targets(
    recipe: Recipe, asked: tuple[str, ...], everything: bool
) -> tuple[int, ...]:
    """The stages to build, each once, in the order asked for; by default the last. With
    `everything` also all that have a name."""
    wanted = [_target(recipe, name) for name in asked]
    if everything:
        names = stage_names(recipe.stages)
        wanted += [
            stage.index
            for stage in recipe.stages
            if stage.base.name and names.last(stage.base.name) is stage
        ]
        if not wanted:
            raise InvalidOption(
                f"No stage of {recipe.source.name} has a name, so --all is nothing.",
                hint="Name what is to be built: FROM debian:bookworm AS app.",
            )
    return tuple(dict.fromkeys(wanted)) or (len(recipe.stages) - 1,)


def _target(recipe: Recipe, name: str) -> int:
    """The index of a stage to build; names are matched without case."""
    found = stage_names(recipe.stages).last(name.lower())
    if found is not None:
        return found.index
    if name.isdigit() and int(name) < len(recipe.stages):
        return int(name)
    names = [stage.base.name for stage in recipe.stages if stage.base.name]
    known = f"The stages are {', '.join(names)}." if names else "No stage has a name."
    meant = did_you_mean(name, names)
    raise InvalidOption(
        f"There is no stage {name!r} in {recipe.source.name}.",
        hint=f"{meant} {known}".strip(),
    )
