"""`lamina lsp`: recipes in an editor, by the Language Server Protocol on stdio."""

from __future__ import annotations

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings


class NoLanguageServer(LaminaError):
    """The extra that the language server needs is not installed."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `lsp`."""
    parser = commands.add_parser(
        "lsp",
        help="Serve an editor: errors, completion, hover",
        description="Serve an editor over stdin and stdout, in the Language Server "
        "Protocol. docs/editors.md says how editors are told about it.",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=_SET
    )
    parser.add_argument(
        "--values", action="append", default=[], metavar="FILE", help=_VALUES
    )
    parser.add_argument("--compat", choices=("buildkit",), help=_COMPAT)
    # Editors append it for each server.
    parser.add_argument("--stdio", action="store_true", help="the default")
    parser.set_defaults(call=run_lsp)


_SET = "give a `var` of recipes a value (repeat)"
_VALUES = "give them values from TOML, YAML or JSON (repeat)"
_COMPAT = "read as BuildKit does, quirks too"


def run_lsp(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until the editor says goodbye. NoLanguageServer without the extra."""
    try:
        import pygls  # noqa: F401 (whether it is there)
    except ImportError:
        raise NoLanguageServer(
            "The language server is not installed.",
            hint="Run `pip install 'lamina[lsp]'`.",
        ) from None
    from lamina.builder.inputs.recipe import RecipeInputs
    from lamina.cli.editor.diagnosis import Doctor
    from lamina.cli.editor.stdio import serve
    from lamina.cli.recipes.recipe_file import values_files

    options = RecipeInputs(
        name="",
        data=b"",
        settings=tuple(arguments.set),
        values=values_files(arguments.values),
        compat=arguments.compat == "buildkit",
    )
    return serve(options, Doctor(settings))
