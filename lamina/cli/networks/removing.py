"""`lamina network rm` and `prune`."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import open_store
from lamina.cli.telling import print_error
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.network.hub import Hub

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_WARNING = "This will remove all custom networks not used by at least one container."


def add_rm(inner: Commands) -> None:
    """Register `rm`."""
    about = "Remove networks"
    parser = inner.add_parser(
        "rm", aliases=["remove"], help=about, description=about + "."
    )
    parser.add_argument("names", metavar="NETWORK", nargs="+")
    about = "say nothing of those that are not there"
    parser.add_argument("-f", "--force", action="store_true", help=about)
    parser.set_defaults(call=_remove)


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.network import making
    from lamina.runtime.network.definitions import NoSuchNetwork

    with open_store(settings) as store:
        hub = hub_of(store)
        code = 0
        for name in arguments.names:
            try:
                making.remove(store.root, name, hub)
            except NoSuchNetwork as error:
                if not arguments.force:
                    print_error(error)
                    code = 1
            except LaminaError as error:
                print_error(error)
                code = 1
            else:
                print(name, flush=True)
        return code


def hub_of(store: Store) -> Hub | None:
    """Where an ordinary user's networks are, if they are now; None for root."""
    from lamina.runtime.network.network_state import is_hosts

    if is_hosts():
        return None
    from lamina.runtime.containers.hubs import existing

    return existing(store.root)


def add_prune(inner: Commands) -> None:
    """Register `prune`."""
    about = "Remove networks that no container is to be on"
    parser = inner.add_parser("prune", help=about, description=about + ".")
    flag = parser.add_argument
    flag("-f", "--force", action="store_true", help="do not ask")
    about = "label=KEY[=VALUE], label!=..., until=24h"
    flag("--filter", action="append", default=[], help=about)
    parser.set_defaults(call=_prune)


def _prune(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.confirming import confirmed
    from lamina.cli.formats.labels import has_label, parse_filters
    from lamina.cli.formats.moments import moment
    from lamina.cli.networks.listing import used_by
    from lamina.oci.store import journal
    from lamina.runtime.network import making
    from lamina.runtime.network.definitions import definitions

    filters = parse_filters(arguments.filter, ("label", "label!", "until"))
    before = [moment(given) for key, given in filters if key == "until"]
    if not arguments.force and not confirmed(_WARNING):
        return 1
    with open_store(settings) as store:
        making.collect(store.root)
        removed = []
        for found in list(definitions(store.root)):
            wanted = all(
                has_label(found.labels, given) == (key == "label")
                for key, given in filters
                if key != "until"
            )
            young = any(found.created >= end for end in before)
            if not wanted or young or used_by(store, found.name):
                continue
            try:
                making.remove(store.root, found.name, hub_of(store))
            except LaminaError:
                continue  # a container came on it just now
            removed.append(found.name)
        journal.note_prune(store.root, "network", 0)
        if removed:
            print("\n".join(("Deleted Networks:", *removed, "")))
        return 0
