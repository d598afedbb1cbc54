"""`lamina top`: the processes of a container."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import find, open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# Docker's, which is twice that of its other tables.
_NARROWEST = 20


def add(commands: Commands) -> None:
    """Register `top`."""
    top = commands.add_parser(
        "top",
        help="List the processes of a container",
        description="List the processes of a container; options are those of ps(1).",
        usage="lamina top CONTAINER [PS OPTIONS]",
    )
    top.add_argument("container", metavar="CONTAINER")
    top.add_argument("options", metavar="PS OPTIONS", nargs=argparse.REMAINDER)
    top.set_defaults(call=_top)


def _top(arguments: argparse.Namespace, settings: Settings) -> int:
    with open_store(settings, enter=False) as store:
        print_processes(store, find(store, arguments.container), arguments.options)
        return 0


def print_processes(store: Store, container: Container, options: list[str]) -> None:
    """A table of them, as ps(1) has it with `options`; raises ContainerError."""
    from lamina.cli.containers.processes import COLUMNS, listed, processes
    from lamina.cli.formats.tables import print_table
    from lamina.runtime.containers import events, members, state, stop

    found = state.see(store.root, container.id)
    if not found.is_running or found.init is None:
        raise stop.not_running(container)
    pids = members.members(found)
    events.tell(store.root, container, "top")
    if options:
        print_table(*listed(pids, options), _NARROWEST)
    else:
        print_table(COLUMNS, processes(pids), _NARROWEST)
