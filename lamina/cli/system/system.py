"""`lamina system`: the store as a whole, and all of its containers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.cli.formats.tables import human_size
from lamina.cli.opened import opened
from lamina.cli.subcommands import add_subcommands

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.store.check import Fault
    from lamina.oci.store.store import Store


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `system` and its subcommands."""
    inner = add_subcommands(
        commands,
        "system",
        "Check, measure and prune the store; start what is to run",
        "The store as a whole, and all of its containers.",
    )

    check = inner.add_parser(
        "check",
        help="Verify every digest",
        description="Verify every layer, image and name; 1 when one is wrong.",
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

    from lamina.cli.system.booting import add as add_booting
    from lamina.cli.system.events import add as add_events
    from lamina.cli.system.info import add as add_info
    from lamina.cli.system.prune import add_prune

    add_prune(inner)
    add_events(inner)
    add_info(inner)
    add_booting(inner)


# check


def run_check(arguments: argparse.Namespace, settings: Settings) -> int:
    """Verify the store; 1 when something is wrong (and was not repaired)."""
    from lamina.oci.store.check import check, leftovers, repair

    with opened(settings, adds=False) as store:
        checked = check(store, os.cpu_count() or 1)
        notes = leftovers(store)
        left = checked.faults
        if arguments.repair:
            _give_up_roots(store, checked.faults)
            left = repair(store, checked.faults)
            _collect_leftovers(store)
            notes = ()
    for fault in checked.faults:
        print(fault)
    if not arguments.quiet:
        print(
            f"{checked.images} images, {checked.layers} layers of "
            f"{human_size(checked.bytes)}: "
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


def _give_up_roots(store: Store, faults: tuple[Fault, ...]) -> None:
    """What failed builds left is no reason to keep a damaged layer below it."""
    from lamina.builder.traces.retention import remove_roots_on

    remove_roots_on(store, [fault.name for fault in faults if fault.kind == "layer"])


def _collect_leftovers(store: Store) -> None:
    from lamina.oci.garbage.collect import collect_layers

    collect_layers(store)


def _run_df(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.system.disk_usage import run_df

    return run_df(arguments, settings)
