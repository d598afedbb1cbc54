"""`lamina logs`: what a container wrote."""

from __future__ import annotations

import argparse
import sys
from functools import cache

from lamina.cli.containers.finding import find, open_store
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.runtime.containers.logs import Record

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `logs`."""
    parser = commands.add_parser("logs", help="Show what a container wrote")
    flag = parser.add_argument
    flag("-f", "--follow", action="store_true", help="go on until it ends")
    flag("-n", "--tail", default="all", metavar="LINES", help="only the last lines")
    flag("-t", "--timestamps", action="store_true", help="when each was written")
    flag("--since", default="", metavar="TIME", help="RFC 3339, or 10m for ago")
    flag("--until", default="", metavar="TIME", help="RFC 3339, or 10m for ago")
    flag(
        "--details", action="store_true", help="labels, variables and tag of --log-opt"
    )
    flag("container", metavar="CONTAINER")
    parser.set_defaults(call=logs)


def logs(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.moments import moment
    from lamina.runtime.containers import state
    from lamina.runtime.containers.following import followed
    from lamina.runtime.containers.logs import read

    with open_store(settings) as store:
        container = find(store, arguments.container)
        if container.options.log_driver == "none":
            raise LaminaError(
                "The log driver `none` keeps nothing that could be read.",
                hint="Leave out `--log-driver none`.",
            )
        tail = tail_of(arguments.tail)
        since = moment(arguments.since, "--since") if arguments.since else 0
        until = moment(arguments.until, "--until") if arguments.until else None
        timed = bool(arguments.since or arguments.until)
        place = state.directory(store.root, container.id)
        shown = _Shown(arguments.timestamps, arguments.details)
        if arguments.follow:
            records = followed(store.root, container.id, tail, shown.flush, until)
        else:
            records = read(f"{place}/log", tail)
        for record in records:
            if not timed or _is_between(record.time, since, until):
                shown.show(record)
        shown.flush()
        return 0


class _Shown:
    """Our two outputs, written in pieces as large as their order allows."""

    def __init__(self, timestamps: bool, details: bool) -> None:
        self._timestamps = timestamps
        self._details = details
        self._streams = {
            name: open(number, "wb", 1 << 16, closefd=False)  # noqa: SIM115
            for name, number in (("stdout", 1), ("stderr", 2))
        }
        self._last = self._streams["stdout"]

    def show(self, record: Record) -> None:
        if record.lost:
            self.flush()
            lines = "line was" if record.lost == 1 else "lines were"
            text = f"{record.lost} {lines} not kept: the disk was full"
            print(f"lamina: {record.time}: {text}", file=sys.stderr)
            return
        stream = self._streams[record.stream]
        if stream is not self._last:
            self.flush()
            self._last = stream
        if self._timestamps:
            stream.write(f"{record.time} ".encode())
        if self._details:
            stream.write(f"{_details(record.attrs)} ".encode())
        stream.write(record.log)

    def flush(self) -> None:
        self._last.flush()


@cache
def _details(attrs: str) -> str:
    """Attributes as docker shows them: `KEY=VALUE,...`, escaped as in a query."""
    import json
    from urllib.parse import quote_plus

    pairs = sorted(json.loads(attrs).items()) if attrs else ()
    quoted = (
        (quote_plus(_bytes(key)), quote_plus(_bytes(text))) for key, text in pairs
    )
    return ",".join(f"{key}={text}" for key, text in quoted)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def tail_of(text: str) -> int | None:
    # A script's empty variable is none.
    if text in ("", "all"):
        return None
    try:
        # As docker: what is negative means all.
        return int(text) if int(text) >= 0 else None
    except ValueError:
        raise LaminaError(f"Invalid number of lines {text!r} for --tail.") from None


def _is_between(text: str, since: int, until: int | None) -> bool:
    from lamina.runtime.containers.logs import nanoseconds

    moment = nanoseconds(text)
    return moment >= since and (until is None or moment <= until)
