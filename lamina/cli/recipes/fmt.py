"""`lamina fmt`: recipes in their one layout, written back, shown or only checked."""

from __future__ import annotations

import os
import sys

from lamina.cli.recipes.parse_cache import parse_cache
from lamina.cli.recipes.recipe_file import STDIN_NAME, RecipeUsage, recipe_inputs
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.lang.lalr import ParseCache
    from lamina.lang.source import Source


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `fmt`."""
    parser = commands.add_parser(
        "fmt",
        help="Give recipes their one layout",
        description="Give recipes their one layout, and never another meaning. "
        "Prints the names of the files that it changes.",
    )
    flag = parser.add_argument
    flag("paths", metavar="PATH", nargs="*", default=["."], help=_PATHS)
    flag("--check", action="store_true", help="change nothing; exit 1 if one would be")
    flag("--diff", action="store_true", help="show what would be changed")
    flag("--compat", choices=("buildkit",), help="read recipes as BuildKit does")
    flag("--set", action="append", default=[], metavar="NAME=VALUE", help=_SET)
    about = "give variables values from TOML, YAML or JSON (repeat)"
    flag("--values", action="append", default=[], metavar="FILE", help=about)
    flag("--stdin-name", metavar="PATH", help=STDIN_NAME)
    parser.set_defaults(call=fmt, file=None)


_PATHS = "recipes, folders with a recipe, or - for stdin to stdout (default: .)"

_SET = "a value for templates, that have to be rendered (repeat; as of `build`)"


def fmt(arguments: argparse.Namespace, settings: Settings) -> int:
    """Format each file; one that is wrong is told, and the others are done."""
    from lamina.cli.telling import print_error

    cache = parse_cache(settings)
    failed = changed = False
    for path in arguments.paths:
        try:
            changed |= _file(path, arguments, cache)
        except LaminaError as error:
            print_error(error)
            failed = True
    return int(failed or (changed and arguments.check))


def _file(path: str, arguments: argparse.Namespace, cache: ParseCache | None) -> bool:
    """Format one recipe; whether that changed it."""
    import argparse

    from lamina.builder.inputs.recipe import read_source
    from lamina.lang.dialect import dialect_of
    from lamina.lang.formatting.format import format_source
    from lamina.lang.source import decode

    inputs = recipe_inputs(argparse.Namespace(**{**vars(arguments), "context": path}))
    source = decode(inputs.name, inputs.data)
    dialect = dialect_of(inputs.name, source.text, inputs.compat)

    def render(template: Source) -> Source:
        return read_source(replace(inputs, data=template.text.encode()), cache)

    text = format_source(source, dialect, cache, render)
    changed = text.encode() != inputs.data
    if arguments.diff:
        _print_diff(inputs.name, source.text, text)
    elif arguments.check:
        if changed:
            print(inputs.name)
    elif not inputs.path:
        sys.stdout.buffer.write(text.encode())
    elif changed:
        _rewrite(inputs.path, text.encode())
        print(inputs.name)
    return changed


def _print_diff(name: str, before: str, after: str) -> None:
    from difflib import unified_diff

    lines = unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"{name} (as it is)",
        f"{name} (formatted)",
    )
    for line in lines:
        if line.endswith("\n"):
            sys.stdout.write(line)
        else:
            sys.stdout.write(f"{line}\n\\ No newline at end of file\n")


def _rewrite(path: str, data: bytes) -> None:
    """Write a file anew in one step; its mode and owner stay, links to it too."""
    path = os.path.realpath(path)
    name = f"{os.path.dirname(path)}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        known = os.stat(path)
        with open(name, "xb") as file:
            try:
                file.write(data)
                if (known.st_uid, known.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), known.st_uid, known.st_gid)
                os.fchmod(file.fileno(), known.st_mode & 0o7777)
                file.flush()
                os.fsync(file.fileno())
                os.rename(name, path)
            except BaseException:
                os.unlink(name)
                raise
    except OSError as error:
        raise RecipeUsage(
            f"The recipe {path!r} cannot be written: {error.strerror}."
        ) from error
