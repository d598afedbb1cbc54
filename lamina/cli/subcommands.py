"""A command that is a name for others, as `lamina volume` is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_subcommands(
    commands: Commands,
    name: str,
    about: str,
    description: str = "",
    flags: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> Commands:
    """Register it: where its subcommands are added. By itself it shows them, as docker
    does. `about` is a phrase without its full stop, and the usual description; `flags`
    registers those that stand before the subcommand."""
    parser = commands.add_parser(
        name, help=about, description=description or about + "."
    )

    def explain(_arguments: argparse.Namespace, _settings: object) -> int:
        parser.print_help()
        return 0

    flags(parser)
    parser.set_defaults(call=explain)
    return parser.add_subparsers(title="commands", metavar="COMMAND")
