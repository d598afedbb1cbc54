"""`lamina graph`: the steps of a build, as text or as a picture."""

from __future__ import annotations

import os
import sys

from lamina.cli.recipes.recipe_file import (
    add_arguments,
    add_operand,
    context_folder,
    ignore_patterns,
    recipe_inputs,
)
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.preview import Preview
    from lamina.cli.drawing.model import Drawing
    from lamina.cli.settings import Settings

FORMATS = ("text", "dot", "mermaid", "svg", "json")
# Of text that goes to no terminal.
_WIDTH = 120


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `graph`."""
    parser = commands.add_parser(
        "graph",
        help="Show the steps that a build consists of",
        description="Show the steps of a build, stage by stage, and what each reads. "
        "Nothing is built, pulled or made.",
    )
    flag = parser.add_argument
    add_operand(parser)
    add_arguments(parser)
    flag("--target", action="append", default=[], help="of this stage (repeat)")
    flag("--all", action="store_true", help="of every stage that has a name")
    flag("--skip-tests", action="store_true", help="leave the TESTs of a recipe out")
    about = "the value of an ARG (repeat)"
    flag("--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    about = "what it is for (default: this machine)"
    flag("--platform", action="append", default=[], metavar="OS/ARCH[,...]", help=about)
    flag(
        "--cached", action="store_true", help="mark what is cached, and what would run"
    )
    about = "how it is drawn (default: text)"
    flag("--format", choices=FORMATS, default="text", help=about)
    flag("-o", "--output", metavar="FILE", help="write it to FILE")
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the graph, or write it to a file."""
    from lamina.builder.events import silent
    from lamina.builder.preview import preview
    from lamina.cli.drawing.model import from_graph
    from lamina.cli.opened import opened

    inputs = _inputs(arguments, settings)
    with opened(settings) as store:
        seen = preview(store, inputs, silent, ask_cache=arguments.cached)
    text = _written(from_graph(seen.graph, _states(seen)), arguments.format)
    if arguments.output:
        _write(arguments.output, text)
    else:
        sys.stdout.write(text)
    if arguments.cached and arguments.format == "text" and not arguments.output:
        print(f"\n{_told(seen)}")
    return 0


def _inputs(arguments: argparse.Namespace, settings: Settings) -> BuildInputs:
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.inputs.epoch import find_epoch
    from lamina.cli.building.build import build_args
    from lamina.cli.building.products import platforms
    from lamina.oci.platforms import host_platform

    recipe = recipe_inputs(arguments)
    context = context_folder(arguments.context)
    given = build_args(arguments.build_arg, settings.environment)
    return BuildInputs(
        recipe=recipe,
        context=context,
        ignore=ignore_patterns(context, recipe.path) if context else b"",
        platform=str(host_platform()),
        epoch=find_epoch(None, given.get("SOURCE_DATE_EPOCH"), context),
        targets=tuple(dict.fromkeys(arguments.target)),
        all_targets=arguments.all,
        tests=not arguments.skip_tests,
        build_args=given,
        platforms=platforms(arguments),
    )


def _states(seen: Preview) -> dict[int, str]:
    return dict.fromkeys(seen.cached, "cached") | dict.fromkeys(seen.runs, "runs")


def _written(drawing: Drawing, style: str) -> str:
    if style == "svg":
        from lamina.cli.drawing.svg import document

        return document(drawing)
    from lamina.cli.drawing import texts

    if style == "text":
        return texts.text(drawing, _width())
    if style == "dot":
        return texts.dot(drawing)
    return texts.mermaid(drawing) if style == "mermaid" else texts.as_json(drawing)


def _width() -> int:
    try:
        return os.get_terminal_size(1).columns or _WIDTH
    except OSError:
        return _WIDTH


def _told(seen: Preview) -> str:
    from lamina.builder.solving.graph import BaseOp

    steps = sum(not isinstance(s.operation, BaseOp) for s in seen.graph.steps)
    later = steps - len(seen.cached) - len(seen.runs)
    text = f"{len(seen.cached)} cached (=), {len(seen.runs)} would run (>)"
    waits = "1 waits for those" if later == 1 else f"{later} wait for those"
    return f"{text}, {waits}" if later else text


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise LaminaError(f"{path!r} cannot be written: {error.strerror}.") from error
