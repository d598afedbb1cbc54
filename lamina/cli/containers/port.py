"""`lamina port`: where a container's ports are published."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import find, open_store
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `port`."""
    about = "List the published ports of a container"
    port = commands.add_parser("port", help=about, description=about + ".")
    port.add_argument("container", metavar="CONTAINER")
    port.add_argument("port", metavar="PORT[/PROTOCOL]", nargs="?", default="")
    port.set_defaults(call=_port)


def _port(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.containers import state

    with open_store(settings) as store:
        container = find(store, arguments.container)
        wanted = arguments.port
        if wanted and "/" not in wanted:
            wanted += "/tcp"
        shown = 0
        for text in state.see(store.root, container.id).ports:
            host, _, inside = text.partition("->")
            if not wanted:
                print(f"{inside} -> {host}")
            elif inside == wanted:
                print(host)
                shown += 1
        if wanted and not shown:
            raise LaminaError(
                f"No public port '{arguments.port}' published for {container.name}."
            )
        return 0
