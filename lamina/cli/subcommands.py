"""A command that is a name for others, as `lamina volume` is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_subcommands(
    commands: Commands, name: str, about: str, description: str = ""
) -> Commands:
    """Register it: where its subcommands are added. By itself it shows them, as docker
    does. `about` is a phrase without its full stop, and the usual description."""
    parser = commands.add_parser(
        name, help=about, description=description or about + "."
    )

    def explain(_arguments: argparse.Namespace, _settings: object) -> int:
        parser.print_help()
        return 0

    parser.set_defaults(call=explain)
    return parser.add_subparsers(title="commands", metavar="COMMAND")
