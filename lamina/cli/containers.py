"""`lamina ps`, `logs`, `stop`, `kill`, `wait`, `rm`, `rename`, `top`, `port`."""

from __future__ import annotations

import argparse
import os
import sys

from lamina.cli.request import RunUsage
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.store import Store
    from lamina.runtime.logs import Record
    from lamina.runtime.state import Container

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register the commands."""
    _add_list(commands)
    _add_logs(commands)
    stop = _each(commands, "stop", "Stop containers", _stop)
    stop.add_argument("-t", "--time", "--timeout", type=int, metavar="SECONDS")
    stop.add_argument("-s", "--signal", default="", help="what to send first")
    kill = _each(commands, "kill", "Send a signal to containers", _kill)
    kill.add_argument("-s", "--signal", default="KILL", help="which (default: KILL)")
    _each(commands, "wait", "Wait until containers stop, print exit codes", _wait)
    remove = _each(commands, "rm", "Remove containers", _remove)
    remove.add_argument("-f", "--force", action="store_true", help="kill those running")
    remove.add_argument(
        "-v", "--volumes", action="store_true", help="and their unnamed volumes"
    )
    rename = commands.add_parser("rename", help="Give a container another name")
    rename.add_argument("container", metavar="CONTAINER")
    rename.add_argument("name", metavar="NEW_NAME")
    rename.set_defaults(call=_rename)
    top = commands.add_parser("top", help="List the processes of a container")
    top.add_argument("container", metavar="CONTAINER")
    top.set_defaults(call=_top)
    port = commands.add_parser("port", help="List the published ports of a container")
    port.add_argument("container", metavar="CONTAINER")
    port.add_argument("port", metavar="PORT[/PROTOCOL]", nargs="?", default="")
    port.set_defaults(call=_port)


def _add_list(commands: Commands) -> None:
    parser = commands.add_parser("ps", help="List containers")
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="also those that do not run")
    flag("-q", "--quiet", action="store_true", help="only IDs")
    flag("-n", "--last", type=int, default=-1, help="the N made last")
    flag("-l", "--latest", action="store_true", help="the one made last")
    flag("--no-trunc", action="store_true", help="whole IDs and commands")
    flag("-f", "--filter", action="append", default=[], metavar="KEY=VALUE")
    flag("--format", default="", help="table, json or a Go template")
    parser.set_defaults(call=_list)


def _add_logs(commands: Commands) -> None:
    parser = commands.add_parser("logs", help="Show what a container wrote")
    flag = parser.add_argument
    flag("-f", "--follow", action="store_true", help="go on until it ends")
    flag("-n", "--tail", default="all", metavar="LINES", help="only the last lines")
    flag("-t", "--timestamps", action="store_true", help="when each was written")
    flag("--since", default="", metavar="TIME", help="RFC 3339, or 10m for ago")
    flag("--until", default="", metavar="TIME", help="RFC 3339, or 10m for ago")
    flag("container", metavar="CONTAINER")
    parser.set_defaults(call=_logs)


def _each(
    commands: Commands,
    name: str,
    about: str,
    act: Callable[[Store, str, argparse.Namespace], str],
) -> argparse.ArgumentParser:
    """A command that does `act` to each ID and prints what it returns, or the name."""
    parser = commands.add_parser(name, help=about, description=about + ".")
    parser.add_argument("containers", metavar="CONTAINER", nargs="+")

    def call(arguments: argparse.Namespace, settings: Settings) -> int:
        from lamina.runtime import state
        from lamina.runtime.errors import NoSuchContainer

        store = open_store(settings, enter=False)
        code = 0
        for named in arguments.containers:
            try:
                said = act(store, state.find(store.root, named), arguments)
                print(said or named, flush=True)
            except LaminaError as error:
                # As docker does: the others get their turn.
                hint = f"\n  hint: {error.hint}" if error.hint else ""
                print(f"lamina: {error}{hint}", file=sys.stderr)
                forced = getattr(arguments, "force", False)
                code = code if forced and isinstance(error, NoSuchContainer) else 1
        return code

    parser.set_defaults(call=call)
    return parser


def open_store(settings: Settings, enter: bool = True) -> Store:
    """The store, with what dead supervisors left cleared away.

    `enter`: as an ordinary user's root, who may touch all of its files. From outside
    that namespace, and only from there, the same user may signal and enter the
    containers of other sessions, each of which has a namespace of its own.
    """
    from lamina.oci.store import Store
    from lamina.runtime import userns
    from lamina.runtime.container import collect, make_places

    if enter:
        userns.enter()
    store = Store.open(settings.root)
    make_places(store.root)
    if enter or os.geteuid() == 0:
        collect(store)
    return store


def find(store: Store, name: str) -> Container:
    """The container that a user means; raises NoSuchContainer."""
    from lamina.runtime import state

    return state.load_container(store.root, state.find(store.root, name))


def _stop(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.runtime import stop

    container = find(store, identity)
    stop.stop(store.root, container, arguments.time, arguments.signal)
    return ""


def _kill(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.runtime import stop

    number = stop.parse_signal(arguments.signal)
    stop.kill(store.root, find(store, identity), number)
    return ""


def _wait(store: Store, identity: str, _: argparse.Namespace) -> str:
    from lamina.runtime import stop

    ended = stop.wait(store.root, identity)
    assert ended is not None
    return str(ended.exit_code)


def _remove(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.runtime import state, stop, userns
    from lamina.runtime.container import remove, remove_files

    try:
        container = find(store, identity)
        running = state.see(store.root, identity).is_running
    except state.DamagedRecord:
        if not arguments.force:
            raise
        userns.enter()
        remove_files(store, identity, "", arguments.volumes)
        return ""
    if running:
        if not arguments.force:
            raise LaminaError(
                f"You cannot remove a running container {identity}.",
                hint="Stop it first, or `lamina rm -f`.",
            )
        stop.finish(store.root, container)
    userns.enter()
    remove(store, container, volumes=arguments.volumes or container.options.remove)
    return ""


def _rename(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.stop import rename

    store = open_store(settings)
    rename(store.root, find(store, arguments.container), arguments.name)
    return 0


# Lists


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.listing import COLUMNS, matches, parse_filters, row
    from lamina.cli.tables import show
    from lamina.runtime import state

    store = open_store(settings)
    for identity in state.damaged(store.root):
        print(
            f"lamina: warning: the record of container {identity[:12]} is damaged; "
            "`lamina rm -f` removes it",
            file=sys.stderr,
        )
    last = 1 if arguments.latest else arguments.last
    every = arguments.all or last >= 0
    filters = parse_filters(arguments.filter)
    every = every or any(key in ("status", "exited") for key, _ in filters)
    found = [
        (container, what)
        for container, what in state.containers(store.root)
        if (every or what.is_running) and matches(store, container, what, filters)
    ]
    if last >= 0:
        found = found[:last]
    if arguments.quiet:
        for container, _ in found:
            print(container.id if arguments.no_trunc else container.short)
        return 0
    whole = arguments.no_trunc
    rows = [row(store, container, what, whole) for container, what in found]
    show(rows, COLUMNS, arguments.format)
    return 0


def _top(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.listing import PROCESS_COLUMNS, processes
    from lamina.cli.tables import print_table
    from lamina.runtime import state

    store = open_store(settings, enter=False)
    container = find(store, arguments.container)
    found = state.see(store.root, container.id)
    if not found.is_running or found.init is None:
        raise LaminaError(f"Container {container.name} is not running.")
    print_table(PROCESS_COLUMNS, processes(found.init.pid))
    return 0


def _port(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime import state

    store = open_store(settings)
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
        raise LaminaError(f"No public port '{wanted}' published for {container.name}.")
    return 0


# Logs


def _logs(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime import state

    store = open_store(settings)
    container = find(store, arguments.container)
    tail = _tail(arguments.tail)
    path = f"{state.directory(store.root, container.id)}/log"
    since, until = _moment(arguments.since), _moment(arguments.until)
    for record in _records(store, container, path, tail, arguments.follow):
        if (since or until) and not _is_between(record.time, since, until):
            continue
        out = sys.stderr if record.stream == "stderr" else sys.stdout
        stamp = f"{record.time} ".encode() if arguments.timestamps else b""
        out.buffer.write(stamp + record.log)
        if arguments.follow or out is sys.stderr:
            out.buffer.flush()
    sys.stdout.flush()
    return 0


def _records(
    store: Store, container: Container, path: str, tail: int | None, follow: bool
) -> Iterator[Record]:
    from lamina.runtime import logs, state
    from lamina.runtime.errors import NoSuchContainer

    if not follow:
        yield from logs.read(path, tail)
        return

    def ended() -> bool:
        import time

        try:
            if state.see(store.root, container.id).supervisor is None:
                return True
        except NoSuchContainer:
            return True
        time.sleep(0.02)
        return False

    yield from logs.follow(path, tail, ended)


def _tail(text: str) -> int | None:
    if text == "all":
        return None
    try:
        # As docker: what is negative means all.
        return int(text) if int(text) >= 0 else None
    except ValueError:
        raise RunUsage(f"Invalid number of lines {text!r} for --tail.") from None


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _is_between(text: str, since: int, until: int) -> bool:
    from lamina.runtime.logs import nanoseconds

    moment = nanoseconds(text)
    return moment >= since and (not until or moment <= until)


def _moment(text: str) -> int:
    """RFC 3339, Unix seconds, or how long ago, in ns; 0 for ""."""
    import time

    from lamina.cli.tables import parse_time
    from lamina.runtime.logs import nanoseconds

    if not text:
        return 0
    amount, unit = text[:-1], text[-1:]
    try:
        if unit in _UNITS:
            return time.time_ns() - int(float(amount) * 1e9) * _UNITS[unit]
        if "T" not in text:
            return int(float(text) * 1e9)
        if "+" in text[19:] or "-" in text[19:]:
            return int(parse_time(text) * 1e9)
        return nanoseconds(text)
    except ValueError:
        hint = "As in 10m or 2026-11-23T12:00:00Z."
        raise RunUsage(f"Invalid time {text!r}.", hint=hint) from None
