"""`lamina parse`: a recipe's tree, as JSON or as BuildKit's parser dumps it."""

from __future__ import annotations

import sys

from lamina.cli.recipes.parse_cache import parse_cache
from lamina.cli.recipes.recipe_file import add_arguments, add_operand, recipe_inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `parse`."""
    parser = commands.add_parser(
        "parse",
        help="Show the tree of a recipe",
        description="Show the tree of a recipe: all of it with places as JSON, or as "
        "BuildKit's parser dumps it.",
    )
    add_operand(parser)
    add_arguments(parser)
    parser.add_argument(
        "--format",
        choices=("json", "sexpr"),
        default="json",
        help="how it is printed (default: json)",
    )
    parser.set_defaults(call=parse)


def parse(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the tree."""
    from lamina.builder.inputs.recipe import read_recipe, read_source

    inputs = recipe_inputs(arguments)
    cache = parse_cache(settings)
    if arguments.format == "sexpr":
        from lamina.lang.dump import sexpr

        sys.stdout.write(sexpr(read_source(inputs, cache), cache=cache))
        return 0
    import json

    from lamina.lang.dump import as_json

    tree = as_json(read_recipe(inputs, cache))
    print(json.dumps(tree, indent=2, ensure_ascii=False))
    return 0
