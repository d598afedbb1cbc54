"""`lamina compose logs`: what the containers of a project wrote."""

from __future__ import annotations

import argparse
import threading

from lamina.cli.services.choosing import chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.services.choosing import Chosen
    from lamina.cli.services.lines import Lines
    from lamina.cli.settings import Settings
    from lamina.services.observed import Observed

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_logs(inner: Commands) -> None:
    """Register `logs`."""
    about = "Show what containers wrote"
    parser = inner.add_parser("logs", help=about, description=about + ".")
    flag = parser.add_argument
    flag(
        "--follow",
        "-f",
        action="store_true",
        help="go on until they end",
        dest="follow",
    )
    flag("-n", "--tail", default="all", metavar="LINES", help="only the last of each")
    flag("-t", "--timestamps", action="store_true", help="when each was written")
    flag("--since", default="", metavar="TIME", help="RFC 3339, or 10m for ago")
    flag("--until", default="", metavar="TIME", help="RFC 3339, or 10m for ago")
    flag("--no-color", action="store_true", help="without colours")
    flag("--no-log-prefix", action="store_true", help="without names before lines")
    flag("--index", type=int, default=0, help="the container of that number")
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_logs)


def _logs(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.logs import tail_of
    from lamina.cli.formats.moments import moment
    from lamina.cli.services.lines import Lines

    since = moment(arguments.since, "--since") if arguments.since else 0
    until = moment(arguments.until, "--until") if arguments.until else None
    tail = tail_of(arguments.tail)
    with chosen(arguments, settings, arguments.services) as found:
        containers = [
            one
            for one in found.containers
            if not arguments.index or one.number == arguments.index
        ]
        lines = Lines(
            [_name(found, one) for one in containers],
            not arguments.no_log_prefix,
            not (arguments.no_color or settings.environment.get("NO_COLOR")),
            arguments.timestamps,
        )

        def show(one: Observed) -> None:
            _show(found, one, lines, (tail, since, until), arguments.follow)

        if not arguments.follow:
            for one in containers:
                show(one)
            return 0
        threads = [
            threading.Thread(target=show, args=(one,), daemon=True)
            for one in containers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 0


def _name(found: Chosen, one: Observed) -> str:
    return one.container.name.removeprefix(f"{found.name}-")


def _show(
    found: Chosen,
    one: Observed,
    lines: Lines,
    limits: tuple[int | None, int, int | None],
    follow: bool,
) -> None:
    from lamina.runtime.containers import state
    from lamina.runtime.containers.following import followed
    from lamina.runtime.containers.logs import nanoseconds, read

    tail, since, until = limits
    name, root, identity = _name(found, one), found.store.root, one.container.id
    if follow:
        records = followed(root, identity, tail)
    else:
        records = read(f"{state.directory(root, identity)}/log", tail)
    try:
        for record in records:
            when = nanoseconds(record.time)
            if when >= since and (until is None or when <= until):
                lines.show(name, record)
    finally:
        lines.end(name)
