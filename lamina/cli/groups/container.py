"""`lamina container`: docker's other spelling, and its `prune`."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_WARNING = "This will remove all stopped containers."


def add(commands: Commands) -> None:
    """Register `container`, whose other commands are those of `lamina` itself."""
    from lamina.cli.groups.listing import add_group

    about = "Containers, in docker's other spelling"
    inner = add_group(commands, "container", about)
    about = "Remove all containers that do not run"
    prune = inner.add_parser("prune", help=about, description=about + ".")
    flag = prune.add_argument
    flag("-f", "--force", action="store_true", help="do not ask")
    about = "until=24h, label=KEY[=VALUE], label!=KEY[=VALUE]"
    flag("--filter", action="append", default=[], metavar="KEY=VALUE", help=about)
    prune.set_defaults(call=_prune)


def _prune(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.cli.formats.confirming import confirmed
    from lamina.cli.formats.labels import parse_filters
    from lamina.cli.formats.moments import moment
    from lamina.cli.formats.tables import human_size
    from lamina.oci.store import journal

    filters = parse_filters(arguments.filter, ("until", "label", "label!"))
    for key, wanted in filters:
        if key == "until":
            moment(wanted)  # what is none is told before anything is asked
    if not arguments.force and not confirmed(_WARNING):
        return 1
    with open_store(settings) as store:
        removed, freed = _remove_stopped(store, filters)
        journal.note_prune(store.root, "container", freed)
        if removed:
            print("\n".join(("Deleted Containers:", *removed, "")))
        print(f"Total reclaimed space: {human_size(freed)}")
        return 0


def _remove_stopped(
    store: Store, filters: list[tuple[str, str]]
) -> tuple[list[str], int]:
    """The IDs of those that were removed, and the bytes of what they had changed."""
    from lamina.cli.images.sizes import tree_size
    from lamina.runtime.containers import state
    from lamina.runtime.containers.container import remove
    from lamina.runtime.errors import NoSuchContainer

    removed, freed = [], 0
    for container, found in list(state.containers(store.root)):
        if found.keeper is not None or not _passes(container, found, filters):
            continue
        try:
            size = tree_size(f"{state.directory(store.root, container.id)}/upper")
            remove(store, container, volumes=False)
        except NoSuchContainer:
            continue  # somebody else was first
        freed += size
        removed.append(container.id)
    return removed, freed


def _passes(container: Container, found: State, filters: list[tuple[str, str]]) -> bool:
    from lamina.cli.formats.labels import has_label
    from lamina.cli.formats.moments import moment

    labels = container.config.labels
    for key, wanted in filters:
        if key == "until":
            good = container.created < moment(wanted)
        else:
            good = has_label(labels, wanted) == (key == "label")
        if not good:
            return False
    return not found.is_active
