"""The arguments that every recipe has, and those that it has before its stages."""

from __future__ import annotations

from lamina.builder.planning.targets import targets
from lamina.lang.expand import expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.builder.planning.options import PlanOptions
    from lamina.lang.recipe import Recipe
    from lamina.lang.source import Span


def automatic_args(recipe: Recipe, options: PlanOptions, target: str) -> dict[str, str]:
    """The arguments that every recipe has, in the plan for the platform `target`."""
    built = [
        recipe.stages[i].base.name
        for i in targets(recipe, options.targets, options.all_targets)
    ]
    found = {"TARGETSTAGE": ",".join(filter(None, built)) or "default"}
    for side, platform in (("BUILD", options.platform), ("TARGET", target)):
        system, architecture, variant = (*platform.split("/"), "")[:3]
        found[f"{side}PLATFORM"] = platform
        found[f"{side}OS"] = system
        found[f"{side}ARCH"] = architecture
        found[f"{side}VARIANT"] = variant
        found[f"{side}OSVERSION"] = ""
    found.update((k, v) for k, v in options.build_args.items() if k in found)
    return found


def global_args(
    recipe: Recipe,
    build_args: Mapping[str, str],
    automatic: Mapping[str, str],
    spend: Callable[[int, Span], None],
) -> dict[str, str]:
    """The ARGs before the first FROM, in order; a build-arg beats the default. `spend`
    is told the length of what an expansion made."""
    found: dict[str, str] = {}
    for arg in recipe.global_args:
        for name, default in arg.args:
            if name in build_args:
                found[name] = build_args[name]
            elif default is not None:
                found[name] = expand(default, {**automatic, **found}, recipe.escape)
                spend(len(found[name]), arg.span)
    return found
