"""`lamina image`: docker's other spelling, and its `prune`."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.garbage.policy import Policy

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_WARNING = "This will remove all {} images."


def add(commands: Commands) -> None:
    """Register `image`, whose other commands are those of `lamina` itself."""
    from lamina.cli.groups.listing import add_group

    about = "Images, in docker's other spelling"
    inner = add_group(commands, "image", about)
    about = "Remove images without a name"
    prune = inner.add_parser("prune", help=about, description=about + ".")
    flag = prune.add_argument
    flag("-a", "--all", action="store_true", help="all that no container has")
    flag("-f", "--force", action="store_true", help="do not ask")
    about = "until=24h, label=KEY[=VALUE], dangling=false"
    flag("--filter", action="append", default=[], metavar="KEY=VALUE", help=about)
    prune.set_defaults(call=_prune)


def _prune(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.confirming import confirmed
    from lamina.cli.opened import opened
    from lamina.cli.system.prune import tell
    from lamina.oci.garbage.collect import collect
    from lamina.oci.store import journal
    from lamina.runtime.containers.container import collect as collect_containers
    from lamina.runtime.containers.state import containers
    from lamina.values import replace

    policy = _policy(arguments)
    kind = "unused" if policy.all_images else "dangling"
    if not arguments.force and not confirmed(_WARNING.format(kind)):
        return 1
    with opened(settings, adds=False) as store:
        collect_containers(store)
        used = frozenset(container.image for container, _ in containers(store.root))
        collected = collect(store, replace(policy, keep=used))
        journal.note_prune(store.root, "image", collected.bytes)
    tell(collected, 0)
    return 0


def _policy(arguments: argparse.Namespace) -> Policy:
    """What the flags let go: images alone, and nothing of the build cache."""
    from lamina.cli.formats.labels import parse_filters, truth
    from lamina.cli.formats.moments import moment
    from lamina.oci.garbage.policy import ALWAYS, Policy

    before, everything = ALWAYS, arguments.all
    labels = []
    for key, given in parse_filters(arguments.filter, ("until", "label", "dangling")):
        if key == "until":
            before = moment(given) // 10**9
        elif key == "label":
            labels.append(given)
        else:
            everything = not truth(given, "dangling")
    return Policy(before, everything, tuple(labels))
