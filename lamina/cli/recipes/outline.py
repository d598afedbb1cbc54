"""`lamina outline`: what a recipe offers to who builds it."""

from __future__ import annotations

from lamina.cli.recipes.parse_cache import parse_cache
from lamina.cli.recipes.recipe_file import add_arguments, add_operand, recipe_inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lamina.cli.settings import Settings
    from lamina.lang.outline import Access, Outline, StageOutline
    from lamina.lang.source import Span
    from lamina.lang.templates.declarations import Variable


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `outline`."""
    parser = commands.add_parser(
        "outline",
        help="Show the stages, arguments, secrets and caches of a recipe",
        description="Show what a target and the stages that it needs ask for. "
        "Descriptions are comments, `# NAME what it is` above an ARG or a stage.",
    )
    add_operand(parser)
    add_arguments(parser)
    flag = parser.add_argument
    flag("--target", default="", help="of this stage, not the last")
    flag("--targets", action="store_true", help="only list the stages")
    about = "the value of an ARG (repeat)"
    flag("--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    about = "how it is printed (default: text)"
    flag("--format", choices=("text", "json"), default="text", help=about)
    parser.set_defaults(call=outline)


def outline(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the outline."""
    from lamina.builder.inputs.recipe import read_recipe
    from lamina.lang.outline import outline as outline_of
    from lamina.lang.source import decode
    from lamina.lang.templates.declarations import declarations
    from lamina.oci.platforms import host_platform

    inputs = recipe_inputs(arguments)
    cache = parse_cache(settings)
    recipe = read_recipe(inputs, cache)
    found = outline_of(
        recipe,
        arguments.target,
        _build_args(arguments.build_arg, settings.environment),
        _automatic(str(host_platform())),
    )
    variables = declarations(decode(inputs.name, inputs.data), cache)
    if arguments.format == "json":
        import json

        shown = _targets_json(found) if arguments.targets else _json(found, variables)
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    elif arguments.targets:
        _print_stages(found)
    else:
        _print(found, variables)
    return 0


def _build_args(given: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """`NAME=VALUE`; a bare NAME takes its value from the environment, if it has one."""
    found = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if equals or name in environment:
            found[name] = rest if equals else environment[name]
    return found


def _automatic(platform: str) -> dict[str, str]:
    """The arguments that need no ARG before the first FROM."""
    system, architecture, variant = (*platform.split("/"), "")[:3]
    parts = {"PLATFORM": platform, "OS": system, "ARCH": architecture}
    parts |= {"VARIANT": variant, "OSVERSION": ""}
    return {f"{side}{p}": v for side in ("BUILD", "TARGET") for p, v in parts.items()}


# JSON: BuildKit's shapes (frontend/subrequests/outline and targets), and more.


def _json(found: Outline, variables: Sequence[Variable]) -> dict[str, Any]:
    return _given(
        {
            "name": found.target.name,
            "description": found.target.description,
            "args": [
                {
                    **_named(arg.name, arg.description),
                    **({} if arg.value is None else {"value": arg.value}),
                    "location": _location(arg.span),
                }
                for arg in found.args
            ],
            "secrets": [_access(secret) for secret in found.secrets],
            "ssh": [_access(agent) for agent in found.ssh],
            "cache": [
                {"ID": cache.id, "location": _location(cache.span)}
                for cache in found.cache
            ],
            "variables": [_variable(variable) for variable in variables],
            "stages": [_stage(stage, found) for stage in found.stages],
        }
    )


def _targets_json(found: Outline) -> dict[str, Any]:
    last = found.stages[-1]
    return {
        "targets": [
            _given(
                {
                    "name": stage.name,
                    "default": stage is last,
                    "description": stage.description,
                    "base": stage.base,
                    "platform": stage.platform,
                    "location": _location(stage.span),
                }
            )
            for stage in found.stages
        ]
    }


def _stage(stage: StageOutline, found: Outline) -> dict[str, Any]:
    return _given(
        {
            "index": stage.index,
            "name": stage.name,
            "description": stage.description,
            "base": stage.base,
            "platform": stage.platform,
            "needs": list(stage.needs),
            "target": stage is found.target,
            "location": _location(stage.span),
        }
    )


def _access(access: Access) -> dict[str, Any]:
    required = {"required": True} if access.required else {}
    return {"name": access.name, **required, "location": _location(access.span)}


def _variable(variable: Variable) -> dict[str, Any]:
    default = variable.default
    given = {} if default is None else {"default": default}
    return {
        **_named(variable.name, variable.description),
        "type": variable.type,
        **given,
        "location": _location(variable.place),
    }


def _named(name: str, description: str) -> dict[str, str]:
    return {"name": name, **({"description": description} if description else {})}


def _given(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, which BuildKit leaves out too."""
    return {
        key: it for key, it in found.items() if it not in ("", []) and it is not False
    }


def _location(span: Span) -> dict[str, Any]:
    place = span.place
    start, end = {"line": place.line}, {"line": place.end_line}
    return {"ranges": [{"start": start, "end": end}]}


# Text


def _print(found: Outline, variables: Sequence[Variable]) -> None:
    target = found.target
    print(f"TARGET:      {target.title}")
    if target.description:
        print(f"DESCRIPTION: {target.description}")
    print()
    _print_stages(found)
    _table(
        ("VARIABLE", "TYPE", "DEFAULT", "DESCRIPTION"),
        [
            (it.name, it.type, _shown(it.default), it.description, it.place)
            for it in variables
        ],
    )
    _table(
        ("BUILD ARG", "VALUE", "DESCRIPTION"),
        [(it.name, it.value or "", it.description, it.span) for it in found.args],
    )
    for heading, accesses in (("SECRET", found.secrets), ("SSH", found.ssh)):
        rows = [(a.name, "yes" if a.required else "", a.span) for a in accesses]
        _table((heading, "REQUIRED"), rows)
    _table(("CACHE MOUNT",), [(cache.id, cache.span) for cache in found.cache])


def _print_stages(found: Outline) -> None:
    titles = [stage.title for stage in found.stages]
    rows = [
        (
            f"{stage.title} (target)" if stage is found.target else stage.title,
            stage.base,
            ", ".join(titles[index] for index in stage.needs),
            stage.description,
            stage.span,
        )
        for stage in found.stages
    ]
    _table(("STAGE", "BASE", "NEEDS", "DESCRIPTION"), rows, space=False)


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[Any]], space: bool = True
) -> None:
    """Rows whose last cell is a place; columns with nothing in them are left out, and
    long values cut: `--format json` has all of them."""
    from lamina.cli.formats.tables import print_table, shortened

    if not rows:
        return
    cells = [[*map(shortened, map(str, row[:-1])), str(row[-1].place)] for row in rows]
    headings = [*headings, "WHERE"]
    full = [place for place in range(len(headings)) if any(row[place] for row in cells)]
    if space:
        print()
    print_table(
        [headings[place] for place in full],
        [[row[place] for place in full] for row in cells],
    )


def _shown(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return "true" if default else "false"
    return ", ".join(default) if isinstance(default, tuple) else str(default)
