"""`lamina check`: all that is wrong with a recipe, and what is probably not meant."""

from __future__ import annotations

import os
import sys

from lamina.cli.recipes.parse_cache import parse_cache
from lamina.cli.recipes.recipe_file import (
    add_arguments,
    add_operand,
    context_folder,
    ignore_patterns,
    recipe_inputs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.builder.checking.recipe_checks import Checkup
    from lamina.cli.settings import Settings
    from lamina.lang.checks.checking import CheckOptions
    from lamina.lang.checks.surroundings import Surroundings
    from lamina.oci.store.store import Store


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `check`."""
    parser = commands.add_parser(
        "check",
        help="Show what is wrong with a recipe, or probably not meant",
        description="Show all errors of a recipe, and what builds but is probably not "
        "what was meant (docs/checks.md). Exit code 1 where there is an error.",
    )
    add_operand(parser)
    add_arguments(parser)
    flag = parser.add_argument
    flag(
        "--format",
        choices=("text", "json", "sarif", "github"),
        default="text",
        help="how findings are printed (default: text)",
    )
    flag("--skip", action="append", default=[], metavar="RULE", help=_SKIP)
    flag("--only", action="append", default=[], metavar="RULE", help=_ONLY)
    flag("--error", action="store_true", help="take warnings for errors")
    flag("--strict", action="store_true", help="take notes for errors, too")
    flag("--build-arg", action="append", default=[], metavar="NAME=VALUE", help=_ARG)
    flag("--platform", default="", help="that it is built for (default: this machine)")
    flag("--rules", action="store_true", help="list the checks there are")
    flag("--explain", metavar="RULE", help="say what a check is about, and why")
    parser.set_defaults(call=run)


_SKIP = "leave a check out: its name or code, or `all` (repeat, or with commas)"
_ONLY = "of all checks, do only these (repeat, or with commas)"
_ARG = "of interest here: BUILDKIT_DOCKERFILE_CHECK=skip=...;error=true"


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the findings; 1 where one is an error."""
    from lamina.builder.checking.recipe_checks import check_up
    from lamina.cli.recipes.findings import show

    if arguments.rules:
        return _print_rules(arguments.format)
    if arguments.explain is not None:
        return _explain(arguments.explain)
    inputs = recipe_inputs(arguments)
    stores: list[Store] = []
    around, hint = _surroundings(arguments, settings, stores)
    try:
        checkup = check_up(inputs, around, _options(arguments), parse_cache(settings))
    finally:
        for store in stores:
            store.close()
    colour = arguments.format == "text" and _colour(settings)
    show(checkup, inputs.name, arguments.format, colour)
    if hint and arguments.format == "text" and _has_scripts(checkup, inputs.data):
        print(hint, file=sys.stderr)
    return int(checkup.failed)


def _options(arguments: argparse.Namespace) -> CheckOptions:
    from lamina.builder.checking.recipe_checks import BUILD_ARG
    from lamina.lang.checks.checking import CheckOptions

    build_args = dict(text.partition("=")[::2] for text in arguments.build_arg)
    return CheckOptions(
        skip=_names(arguments.skip),
        only=_names(arguments.only),
        error=arguments.error,
        strict=arguments.strict,
        directive=build_args.get(BUILD_ARG),
        least="note",
    )


def _names(given: list[str]) -> tuple[str, ...]:
    names = (name.strip() for text in given for name in text.split(","))
    return tuple(filter(None, names))


def _surroundings(
    arguments: argparse.Namespace, settings: Settings, stores: list[Store]
) -> tuple[Surroundings, str]:
    """What is around the recipe, and what to say where ShellCheck is missing. The
    store goes to `stores` when it is opened."""
    from lamina.builder.checking.surroundings import surroundings, with_shellcheck
    from lamina.lang.checks.settings import shellcheck_wanted
    from lamina.oci.platforms import host_platform, parse_platform

    def store() -> Store | None:
        found = open_store(settings.root)
        stores.extend(filter(None, (found,)))
        return found

    platform = host_platform()
    if arguments.platform:
        platform = parse_platform(arguments.platform)
    context = context_folder(arguments.context)
    recipe = _path(arguments)
    ignore = ignore_patterns(context, recipe) if context else b""
    around = surroundings(store, ignore, str(platform))
    if not shellcheck_wanted(_names(arguments.skip), _names(arguments.only)):
        return around, ""
    path = settings.environment.get("PATH", os.defpath)
    examined = with_shellcheck(around, path, os.cpu_count() or 1)
    return examined or around, "" if examined else _NO_SHELLCHECK


_NO_SHELLCHECK = (
    "ShellCheck is not installed, so the scripts in RUN were not examined: "
    "pip install 'lamina[check]'"
)


def _path(arguments: argparse.Namespace) -> str:
    from lamina.cli.recipes.recipe_file import find_recipe

    return find_recipe(arguments.context, arguments.file)


def open_store(root: str) -> Store | None:
    """The store, if there is one that can be read: a check makes none."""
    if not os.path.isfile(f"{root}/index.sqlite"):
        return None
    from lamina.errors import LaminaError
    from lamina.oci.store.store import Store

    try:
        return Store.open(root)
    except (LaminaError, OSError):
        return None


def _colour(settings: Settings) -> bool:
    """https://no-color.org"""
    return sys.stdout.isatty() and not settings.environment.get("NO_COLOR")


def _has_scripts(checkup: Checkup, data: bytes) -> bool:
    return b"RUN" in data.upper() and not checkup.errors


def _explain(name: str) -> int:
    from lamina.lang.checks.explained import as_text
    from lamina.lang.checks.rules import link, named_rule
    from lamina.lang.checks.settings import SHELLCHECK

    rule = named_rule(name)
    print(as_text(rule.name), end="")
    if rule.name == SHELLCHECK and name.lower() != rule.name.lower():
        print(f"\nAbout {name.upper()}: {link(name.upper())}")
    return 0


def _print_rules(style: str) -> int:
    from lamina.cli.formats.tables import print_table
    from lamina.lang.checks.rules import RULES

    if style == "json":
        import json

        rows = [
            {"name": r.name, "level": r.level, "alias": r.alias, "what": r.what}
            for r in RULES
        ]
        print(json.dumps(rows, indent=2))
        return 0
    print_table(
        ("RULE", "LEVEL", "CODE", "WHAT"),
        [(rule.name, rule.level, rule.alias, rule.what) for rule in RULES],
    )
    return 0
