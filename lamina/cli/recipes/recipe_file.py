"""The recipe that a command is about: the arguments that name it, and its bytes.

`build`, `check`, `fmt`, `outline`, `parse` and `render` all take `-f`, a folder (or,
but for `build`, the recipe itself), `--set`, `--values` and `--compat`.
"""

from __future__ import annotations

import os
import sys

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.builder.inputs.recipe import RecipeInputs, ValuesFile

RECIPES = ("Recipe", "Dockerfile", "Containerfile")
# How gzip, zstd, xz and bzip2 begin: no recipe does.
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh")


class RecipeUsage(LaminaError):
    """Arguments that name no recipe, or no file of values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`-f`, `--set`, `--values`, `--compat`; the operand is the command's own."""
    flag = parser.add_argument
    flag("-f", "--file", help="the recipe (default: Recipe, Dockerfile, Containerfile)")
    flag("--set", action="append", default=[], metavar="NAME=VALUE", help=_SET)
    flag("--values", action="append", default=[], metavar="FILE", help=_VALUES)
    flag("--compat", choices=("buildkit",), help="behave as BuildKit, quirks too")
    flag("--stdin-name", metavar="PATH", help=STDIN_NAME)


STDIN_NAME = "the file that stdin is, for its language and what it includes"
_SET = "give a `var` of the recipe a value (repeat)"
_VALUES = "give it values from TOML, YAML or JSON (repeat)"


def add_operand(parser: argparse.ArgumentParser) -> None:
    """`[PATH]`: a folder with a recipe, a recipe, or - for stdin."""
    parser.add_argument(
        "context",
        metavar="PATH",
        nargs="?",
        default=".",
        help="a folder with a recipe, or the recipe, or - (default: .)",
    )


def recipe_inputs(arguments: argparse.Namespace) -> RecipeInputs:
    """The recipe that `arguments.context` and `--file` name, read. RecipeUsage."""
    from lamina.builder.inputs.recipe import RecipeInputs

    path = find_recipe(arguments.context, arguments.file)
    if path:
        name, data = _shown(path), _read(path, "The recipe")
        folder = os.path.dirname(os.path.realpath(path))
    else:
        data = _read_stdin()
        name = arguments.stdin_name or "-"
        folder = context_folder(arguments.context)
        if arguments.stdin_name and not folder:
            folder = os.path.realpath(os.path.dirname(name))
    return RecipeInputs(
        name=name,
        data=data,
        path=path,
        folder=folder,
        settings=tuple(arguments.set),
        values=values_files(arguments.values),
        compat=arguments.compat == "buildkit",
    )


def context_folder(context: str) -> str:
    """The folder that the operand names, or that its recipe lies in; "" for stdin."""
    if context == "-":
        return ""
    if os.path.isfile(context):
        context = os.path.dirname(context) or "."
    return os.path.realpath(context)


def find_recipe(context: str, file: str | None) -> str:
    """The path of the recipe, "" for stdin."""
    if context == "-" or file == "-":
        return ""
    if file:
        return file
    if os.path.isfile(context):
        return context
    if not os.path.isdir(context):
        raise RecipeUsage(
            f"There is no {context!r}.", hint="Give a recipe, or a folder that has one."
        )
    context = os.path.realpath(context)
    for name in RECIPES:
        path = f"{context}/{name}"
        if os.path.isfile(path):
            return path
    raise RecipeUsage(
        f"There is no recipe in {context}.",
        hint=f"It is looked for as {', '.join(RECIPES)}; name another one with -f.",
    )


def ignore_patterns(context: str, recipe: str) -> bytes:
    """`<recipe>.dockerignore` where it exists, else the context's `.dockerignore`."""
    for path in (f"{recipe}.dockerignore", f"{context}/.dockerignore"):
        if recipe or path.startswith(context):
            try:
                with open(path, "rb") as stream:
                    return stream.read()
            except FileNotFoundError:
                continue
    return b""


def values_files(paths: list[str]) -> tuple[ValuesFile, ...]:
    """The files of `--values`, read. RecipeUsage."""
    from lamina.builder.inputs.recipe import ValuesFile

    return tuple(
        ValuesFile(_shown(path), _read(path, "The file of values")) for path in paths
    )


def _shown(path: str) -> str:
    """A path as messages have it: from here on, where it is below."""
    relative = os.path.relpath(path) if path else path
    return path if relative.startswith("..") else relative


def _read(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise RecipeUsage(
            f"{what} {path!r} cannot be read: {error.strerror}."
        ) from error


def _read_stdin() -> bytes:
    text = sys.stdin.buffer.read()
    if is_packed(text):
        raise RecipeUsage(
            "An archive came through stdin, where a recipe is wanted.",
            hint="As a context it is for `lamina build -`, without `-f -`.",
        )
    return text


def is_packed(data: bytes) -> bool:
    """Whether this is how an archive begins, and not a recipe."""
    return data.startswith(_PACKED) or data[257:262] == b"ustar"
