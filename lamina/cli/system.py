"""`lamina system check|df|prune`: whether the store is sound, what it holds, less."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from lamina.cli.opened import opened
from lamina.cli.tables import human_size
from lamina.errors import LaminaError
from lamina.oci.reference import parse_reference

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.garbage import Policy
    from lamina.oci.store import Store

# A cache row that no build used for so long goes with any prune.
_KEEP_CACHE = 7 * 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class SystemUsage(LaminaError):
    """A filter that does not exist, or a question that nobody can answer."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `system` and its subcommands."""
    parser = commands.add_parser(
        "system",
        help="Check, measure and prune the store",
        description="Whether the store is sound, what it holds, and less of it.",
    )

    def explain(_arguments: argparse.Namespace, _settings: Settings) -> int:
        parser.print_help()
        return 2

    parser.set_defaults(call=explain)
    inner = parser.add_subparsers(title="commands", metavar="COMMAND")

    check = inner.add_parser(
        "check",
        help="Verify every digest",
        description="Verify every layer, blob, image and name; 1 when one is wrong.",
    )
    check.add_argument("--repair", action="store_true", help="remove what is wrong")
    check.add_argument("-q", "--quiet", action="store_true", help="print faults only")
    check.set_defaults(call=run_check)

    df = inner.add_parser(
        "df", help="Show what the store holds", description="Show the use of the disk."
    )
    df.add_argument("-v", "--verbose", action="store_true", help="show each thing")
    df.add_argument("--format", default="", metavar="TEMPLATE", help="json, template")
    df.set_defaults(call=_run_df)

    prune = inner.add_parser(
        "prune",
        help="Remove what nothing needs",
        description="Remove images without a name, build cache unused for a week, "
        "and layers that nothing needs then. Containers stay.",
    )
    prune.add_argument("-a", "--all", action="store_true", help=_ALL)
    prune.add_argument("-f", "--force", action="store_true", help="do not ask")
    prune.add_argument("--filter", action="append", default=[], metavar="until=TIME")
    prune.set_defaults(call=run_prune)


_ALL = "all images without a container, and the whole build cache"


# check


def run_check(arguments: argparse.Namespace, settings: Settings) -> int:
    """Verify the store; 1 when something is wrong (and was not repaired)."""
    from lamina.oci.check import check, leftovers, repair

    with opened(settings) as store:
        checked = check(store, os.cpu_count() or 1)
        notes = leftovers(store)
        left = checked.faults
        if arguments.repair:
            left = repair(store, checked.faults)
            _collect_leftovers(store)
            notes = ()
    for fault in checked.faults:
        print(fault)
    if not arguments.quiet:
        print(
            f"{checked.images} images, {checked.layers} layers of "
            f"{human_size(checked.bytes)}, {checked.blobs} blobs: "
            f"{_verdict(len(checked.faults), len(left), arguments.repair)}"
        )
        for note in notes:
            print(f"{note} (`lamina system prune` removes them)")
    for fault in left if arguments.repair else ():
        print(f"lamina: not repaired: {fault}", file=sys.stderr)
    sys.stdout.flush()
    return 1 if left else 0


def _verdict(found: int, left: int, repaired: bool) -> str:
    if not found:
        return "all is well"
    if not repaired:
        return f"{found} faults, --repair removes what is damaged"
    return f"{found} faults, {found - left} repaired"


def _collect_leftovers(store: Store) -> None:
    from lamina.oci.garbage import collect_layers

    collect_layers(store)


def _run_df(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.disk_usage import run_df

    return run_df(arguments, settings)


# prune


def run_prune(arguments: argparse.Namespace, settings: Settings) -> int:
    """Collect garbage, after asking; what was freed is printed as Docker does."""
    until = _until(arguments.filter)
    if not arguments.force and not _confirmed(arguments.all):
        return 1
    from lamina.oci.garbage import collect
    from lamina.runtime.container import collect as collect_containers

    with opened(settings) as store:
        collect_containers(store)
        collected = collect(store, _policy(store, arguments.all, until))
    if arguments.all and store.xattrs == "trusted" and _remove_network():
        print("Deleted Networks:\nlamina0\n")
    if collected.references or collected.images:
        print("Deleted Images:")
        for name in collected.references:
            print(f"untagged: {parse_reference(name).familiar()}")
        for identity in collected.images:
            print(f"deleted: {identity}")
        print()
    if collected.layers:
        print("Deleted layers:")
        for content in collected.layers:
            print(f"deleted: {content}")
        print()
    print(f"Total reclaimed space: {human_size(collected.bytes)}")
    return 0


def _remove_network() -> bool:
    """Take root's bridge away when no container is on it; the next makes it anew."""
    if not os.path.isdir("/sys/class/net/lamina0"):
        return False
    from lamina.runtime import network

    return network.remove_network(network.STATE_DIR)


def _policy(store: Store, everything: bool, until: int | None) -> Policy:
    from lamina.oci.garbage import Policy
    from lamina.runtime.state import containers

    now = int(time.time()) + 1
    before = now if until is None else until
    cache = now if everything else now - _KEEP_CACHE
    return Policy(
        images_before=before,
        all_images=everything,
        cache_before=cache if until is None else until,
        keep=frozenset(container.image for container, _ in containers(store.root)),
    )


def _confirmed(everything: bool) -> bool:
    images = "all images without a container" if everything else "images without a name"
    cache = "the whole build cache" if everything else "build cache unused for a week"
    print(
        f"WARNING! This will remove:\n  - {images}\n  - {cache}\n\n"
        "Are you sure you want to continue? [y/N] ",
        end="",
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _until(filters: list[str]) -> int | None:
    """`until=24h`, `until=2026-01-31T00:00:00Z` or Unix seconds, as a moment."""
    found = None
    for text in filters:
        name, _, when = text.partition("=")
        if name != "until":
            raise SystemUsage(
                f"There is no filter {text!r}.", hint="Write --filter until=24h."
            )
        found = _moment(when)
    return found


def _moment(when: str) -> int:
    from lamina.cli.tables import parse_time

    if when.isdigit():
        return int(when)
    seconds, digits = 0, ""
    for character in when:
        if character.isdigit():
            digits += character
        elif digits and character in _UNITS:
            seconds += int(digits) * _UNITS[character]
            digits = ""
        else:
            break
    else:
        if seconds and not digits:
            return int(time.time()) - seconds
    moment = parse_time(when)
    if not moment:
        raise SystemUsage(
            f"{when!r} is no time.",
            hint="Write 24h, 90m, 2026-01-31T00:00:00Z or Unix seconds.",
        )
    return int(moment)
