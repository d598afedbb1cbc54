"""`lamina ps`: which containers there are."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import open_store
from lamina.cli.telling import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `ps`."""
    parser = commands.add_parser("ps", help="List containers")
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="also those that do not run")
    flag("-q", "--quiet", action="store_true", help="only IDs")
    flag("-n", "--last", type=int, default=-1, help="the N made last")
    flag("-l", "--latest", action="store_true", help="the one made last")
    flag("--no-trunc", action="store_true", help="whole IDs and commands")
    flag("-s", "--size", action="store_true", help="what each takes on the disk")
    about = "those alone that are so, such as status=exited (repeat)"
    flag("-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=about)
    flag("--format", default="", metavar="TEMPLATE", help="table, json or a template")
    parser.set_defaults(call=list_containers)


def list_containers(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print a line for each container that was asked for."""
    from lamina.cli.containers.filters import matches, parse_filters
    from lamina.cli.containers.listing import COLUMNS, MORE, row
    from lamina.cli.formats.tables import show
    from lamina.runtime.containers import state

    with open_store(settings) as store:
        for identity in state.damaged(store.root):
            warn(
                f"the record of container {identity[:12]} is damaged; "
                "`lamina rm -f` removes it"
            )
        last = 1 if arguments.latest else arguments.last
        every = arguments.all or last > 0
        filters = parse_filters(arguments.filter)
        every = every or any(key in ("status", "exited") for key, _ in filters)
        found = [
            (container, what)
            for container, what in state.containers(store.root)
            if (every or what.is_active) and matches(store, container, what, filters)
        ]
        if last > 0:
            found = found[:last]
        if arguments.quiet and not arguments.format:
            for container, _ in found:
                print(container.id if arguments.no_trunc else container.short)
            return 0
        whole = arguments.no_trunc
        style = arguments.format.lower()
        sized = arguments.size or "size" in style or "json" in style
        rows = [row(store, container, what, whole, sized) for container, what in found]
        columns = {**COLUMNS, "Size": "SIZE"} if arguments.size else COLUMNS
        show(rows, columns, arguments.format, MORE)
        return 0
