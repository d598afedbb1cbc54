"""`lamina volume rm` and `prune`."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import open_store
from lamina.cli.telling import print_error
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_WARNING = "This will remove {} local volumes not used by at least one container."


def add_rm(inner: Commands) -> None:
    """Register `rm`."""
    about = "Remove volumes"
    parser = inner.add_parser(
        "rm", aliases=["remove"], help=about, description=about + "."
    )
    flag = parser.add_argument
    flag("names", metavar="VOLUME", nargs="+")
    about_force = "say nothing of those that are not there"
    flag("-f", "--force", action="store_true", help=about_force)
    parser.set_defaults(call=_remove)


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.containers.volume_users import remove_volume
    from lamina.runtime.volumes.stored import NoSuchVolume

    with open_store(settings) as store:
        code = 0
        for name in arguments.names:
            try:
                remove_volume(store, name)
            except NoSuchVolume as error:
                if not arguments.force:
                    print_error(error)
                    code = 1
                    continue
            except LaminaError as error:
                print_error(error)
                code = 1
                continue
            print(name, flush=True)
        return code


def add_prune(inner: Commands) -> None:
    """Register `prune`."""
    about = "Remove unnamed volumes that no container has"
    parser = inner.add_parser("prune", help=about, description=about + ".")
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="also those with names")
    flag("-f", "--force", action="store_true", help="do not ask")
    about_filter = "label=KEY[=VALUE], label!=..., all=true"
    flag("--filter", action="append", default=[], help=about_filter)
    parser.set_defaults(call=_prune)


def _prune(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.confirming import confirmed
    from lamina.cli.formats.labels import parse_filters, truth
    from lamina.cli.formats.tables import human_size

    filters = parse_filters(arguments.filter, ("label", "label!", "all"))
    everything = arguments.all or any(
        key == "all" and truth(given, "all") for key, given in filters
    )
    kind = "all" if everything else "anonymous"
    if not arguments.force and not confirmed(_WARNING.format(kind)):
        return 1
    freed = _remove_told(settings, everything, filters)
    print(f"Total reclaimed space: {human_size(freed)}")
    return 0


def remove_anonymous(settings: Settings) -> int:
    """Remove the anonymous volumes that no container has; the bytes of them."""
    return _remove_told(settings, False, [])


def _remove_told(
    settings: Settings, everything: bool, filters: list[tuple[str, str]]
) -> int:
    from lamina.oci.store import journal

    with open_store(settings) as store:
        removed, freed = _remove_unused(store, everything, filters)
        journal.note_prune(store.root, "volume", freed)
    if removed:
        print("\n".join(("Deleted Volumes:", *removed, "")))
    return freed


def _remove_unused(
    store: Store, everything: bool, filters: list[tuple[str, str]]
) -> tuple[list[str], int]:
    from lamina.cli.formats.labels import has_label
    from lamina.cli.images.sizes import tree_size
    from lamina.runtime.containers import state
    from lamina.runtime.containers.volume_users import users
    from lamina.runtime.volumes import stored

    removed, freed = [], 0
    with state.locked(store.root):
        used = users(store.root)
        for volume in list(stored.volumes(store.root)):
            wanted = all(
                has_label(volume.labels, given) == (key == "label")
                for key, given in filters
                if key != "all"
            )
            if volume.name in used or not (everything or volume.anonymous):
                continue
            if wanted:
                freed += tree_size(volume.data)
                stored.remove(store, volume.name)
                removed.append(volume.name)
    return removed, freed
