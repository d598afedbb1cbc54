"""`lamina stats`: what containers use, now and again."""

from __future__ import annotations

import argparse
import sys
import time

from lamina.cli.containers.finding import find, open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State
    from lamina.runtime.containers.usage import Usage

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    # Containers by their IDs, with what was seen of each.
    Seen = dict[str, tuple[Container, State, Usage]]

_COLUMNS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
_MORE = {"Container": "CONTAINER"}
# Seconds between two looks; docker's.
_PAUSE = 1.0
_FIRST_PAUSE = 0.5
# Clear the screen, and go to its first line (ECMA-48, ED and CUP).
_CLEAR = "\x1b[2J\x1b[H"


def add(commands: Commands) -> None:
    """Register `stats`."""
    parser = commands.add_parser(
        "stats",
        help="Show what containers use",
        description="Show CPU time, memory, network, disk access and processes of "
        "containers, again every second.",
    )
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="also those that do not run")
    flag("--no-stream", action="store_true", help="once")
    flag("--no-trunc", action="store_true", help="whole IDs")
    flag("--format", default="", metavar="TEMPLATE", help="table, json or a template")
    flag("containers", metavar="CONTAINER", nargs="*")
    parser.set_defaults(call=stats)


def stats(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what is used until interrupted, or once."""
    with open_store(settings, enter=False) as store:
        # Who is named has to be there, now.
        named = [find(store, name).id for name in arguments.containers]
        if not arguments.no_stream and sys.stdout.isatty():
            print(_CLEAR, end="", flush=True)
        before = _seen(store, named, arguments.all)
        time.sleep(_FIRST_PAUSE)
        while True:
            now = _seen(store, named, arguments.all)
            _show(before, now, arguments)
            if arguments.no_stream:
                return 0
            before = now
            time.sleep(_PAUSE)


def _seen(store: Store, named: list[str], every: bool) -> Seen:
    from lamina.runtime.containers import state
    from lamina.runtime.containers.usage import usage
    from lamina.runtime.errors import NoSuchContainer

    found: Seen = {}
    if not named:
        for container, what in state.containers(store.root):
            if every or what.is_running:
                found[container.id] = container, what, usage(what)
        return found
    for identity in named:
        try:
            what = state.see(store.root, identity)
            found[identity] = find(store, identity), what, usage(what)
        except NoSuchContainer:
            continue  # it was removed meanwhile
    return found


def _show(before: Seen, now: Seen, arguments: argparse.Namespace) -> None:
    from lamina.cli.formats.tables import show

    rows = []
    for identity, (container, _, used) in now.items():
        was = before.get(identity)
        rows.append(_row(container, was[2] if was else used, used, arguments.no_trunc))
    if not arguments.no_stream and sys.stdout.isatty():
        print(_CLEAR, end="")
    show(rows, _COLUMNS, arguments.format, _MORE)
    sys.stdout.flush()


def _row(
    container: Container, before: Usage, now: Usage, whole: bool
) -> dict[str, str]:
    from lamina.cli.formats.tables import binary_size, human_size
    from lamina.runtime.containers.usage import cpu_share

    share = 100 * now.memory / now.limit if now.limit else 0.0
    identity = container.id if whole else container.short
    return {
        "Container": identity,
        "ID": identity,
        "Name": container.name,
        "CPUPerc": f"{cpu_share(before, now):.2f}%",
        "MemUsage": f"{binary_size(now.memory)} / {binary_size(now.limit)}",
        "MemPerc": f"{share:.2f}%",
        "NetIO": f"{human_size(now.received)} / {human_size(now.sent)}",
        "BlockIO": f"{human_size(now.read)} / {human_size(now.written)}",
        "PIDs": str(now.processes),
    }
