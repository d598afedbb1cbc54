"""`lamina render`: what a recipe says once its template is rendered."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lamina.builder.inputs.recipe import Reading
    from lamina.cli.settings import Settings
    from lamina.lang.source import Source, Span

# The column of origins is no wider than this.
_WIDEST = 60


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `render`."""
    from lamina.cli.recipes.recipe_file import add_arguments, add_operand

    parser = commands.add_parser(
        "render",
        help="Show what a recipe's template gives",
        description="Show the recipe that a template gives, as it is parsed.",
    )
    add_operand(parser)
    add_arguments(parser)
    flag = parser.add_argument
    flag("--origins", action="store_true", help="where each line came from, before it")
    about = "how it is printed (default: text)"
    flag("--format", choices=("text", "json"), default="text", help=about)
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """The rendered text on stdout."""
    import sys

    from lamina.builder.inputs.recipe import read
    from lamina.cli.recipes.parse_cache import parse_cache
    from lamina.cli.recipes.recipe_file import recipe_inputs
    from lamina.lang.dialect import dialect_of

    reading = read(recipe_inputs(arguments), parse_cache(settings))
    dialect_of(reading.source.name, reading.source.text)
    if arguments.format == "json":
        text = _json(reading)
    elif arguments.origins:
        text = "".join(_with_origins(reading.source))
    else:
        text = reading.source.text
    sys.stdout.write(text)
    return 0


def _with_origins(source: Source) -> Iterator[str]:
    from lamina.lang.templates.render import lines

    rows = [(line, _origin(span)) for line, span in lines(source)]
    width = min(_WIDEST, max((len(origin) for _, origin in rows), default=0))
    for line, origin in rows:
        yield f"{origin:{width}} | {line}".rstrip() + "\n"


def _origin(span: Span) -> str:
    """`apt.j2:2 < Recipe:7 version='3.11'`: the place, and how it came about."""
    words = [f"{span.place.file}:{span.line}"]
    for frame in span.chain:
        if frame.kind == "loop":
            words += [f"{name}={shown}" for name, shown in frame.shown]
        else:
            words.append(f"< {frame.cause}")
    return " ".join(words)


def _json(reading: Reading) -> str:
    import json

    from lamina.lang.templates.render import lines

    found = {
        "name": reading.source.name,
        "text": reading.source.text,
        "files": [{"name": name, "sha256": digest} for name, digest in reading.files],
        "lines": [
            {
                "text": line,
                "file": span.place.file,
                "line": span.place.line,
                "column": span.place.column,
                "chain": [str(frame) for frame in span.chain],
            }
            for line, span in lines(reading.source)
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
