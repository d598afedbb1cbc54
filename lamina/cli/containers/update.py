"""`lamina update`: other limits and another restart policy, at once where it runs."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import do_each, find, open_store
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.options import Options

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_FLAGS = (
    (("-m", "--memory"), "BYTES", "most memory, as in 512m"),
    (("--memory-swap",), "BYTES", "most memory and swap together, -1 any"),
    (("--memory-reservation",), "BYTES", "memory to come down to when it is short"),
    (("--cpus",), "NUMBER", "most CPU time, as in 1.5"),
    (("-c", "--cpu-shares"), "NUMBER", "weight against others, 1024 is usual"),
    (("--cpu-period",), "MICROSECONDS", "in which --cpu-quota is counted"),
    (("--cpu-quota",), "MICROSECONDS", "CPU time in each period"),
    (("--cpuset-cpus",), "LIST", "the CPUs to run on, as in 0-2,5"),
    (("--cpuset-mems",), "LIST", "the memory nodes to use"),
    (("--blkio-weight",), "NUMBER", "weight of its disk access, 10 to 1000"),
    (("--pids-limit",), "NUMBER", "most processes, -1 any"),
    (("--restart",), "POLICY", "no, always, unless-stopped, on-failure[:MOST]"),
)


def add(commands: Commands) -> None:
    """Register `update`."""
    parser = commands.add_parser(
        "update",
        help="Change limits and the restart policy of containers",
        description="Change limits and the restart policy of containers; those that "
        "run have them at once.",
    )
    for names, metavar, about in _FLAGS:
        parser.add_argument(*names, metavar=metavar, default="", help=about)
    parser.add_argument("containers", metavar="CONTAINER", nargs="+")
    parser.set_defaults(call=update)


def update(arguments: argparse.Namespace, settings: Settings) -> int:
    """Update each; 1 when one could not be."""
    changes = _changes(arguments)
    if not changes:
        raise LaminaError("You must provide one or more flags when using this command.")
    with open_store(settings, enter=False) as store:
        arguments.changes = changes
        return do_each(store, arguments.containers, _update_one, arguments)


def _update_one(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.runtime.containers.updating import update as change

    container = find(store, identity)
    change(store.root, container, _changed(container.options, arguments.changes))
    return ""


def _changed(options: Options, changes: dict[str, Any]) -> Options:
    return replace(options, **changes)


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of Options that the flags set; raises LaminaError."""
    from lamina.cli.formats import amounts
    from lamina.cli.formats.amounts import integer, size

    reads: dict[str, Callable[[str], Any]] = {
        "memory": amounts.memory,
        "memory_swap": amounts.swap,
        "memory_reservation": lambda text: size(text, "--memory-reservation"),
        "nano_cpus": amounts.cpus,
        "cpu_shares": lambda text: integer(text, "--cpu-shares"),
        "cpu_period": lambda text: integer(text, "--cpu-period"),
        "cpu_quota": lambda text: integer(text, "--cpu-quota"),
        "cpuset_cpus": str,
        "cpuset_mems": str,
        "blkio_weight": amounts.blkio_weight,
        "pids_limit": lambda text: integer(text, "--pids-limit"),
        "restart": amounts.restart_policy,
    }
    named = {"nano_cpus": "cpus"}
    return {
        field: read(text)
        for field, read in reads.items()
        if (text := getattr(arguments, named.get(field, field)))
    }
