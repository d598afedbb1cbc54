"""`lamina events`: what happened in the store, and what happens."""

from __future__ import annotations

import argparse
import sys
import time

from lamina.cli.formats.documents import as_json
from lamina.cli.formats.labels import filter_pairs
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Filters = dict[str, list[str]]
    Matches = Callable[["Event", str], bool]


def add(commands: Commands) -> None:
    """Register `events`."""
    parser = commands.add_parser(
        "events",
        help="Show what happens in the store",
        description="Show what happens to containers, images, networks and volumes, as "
        "it happens; with --since what happened before, until --until.",
    )
    add_flags(parser)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags, for `system events` as well."""
    flag = parser.add_argument
    flag("--since", default="", metavar="TIME", help="RFC 3339, Unix time, 10m for ago")
    flag("--until", default="", metavar="TIME", help="end at that moment")
    about = "those alone that are so, such as event=die (repeat)"
    flag("-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=about)
    flag("--format", default="", metavar="TEMPLATE", help="json, or a template")
    parser.set_defaults(call=show_events)


class Event(dict[str, "Any"]):
    """An event as Docker's API has it; templates may also call its fields as Go does,
    `{{.TimeNano}}`."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(_GO.get(str(name), name))

    def __missing__(self, name: str) -> Any:
        return self[_GO[name]]

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(_GO.get(name, name), default)

    @property
    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = self["Actor"]["Attributes"]
        return found


_GO = {
    "Status": "status",
    "ID": "id",
    "From": "from",
    "Scope": "scope",
    "Time": "time",
    "TimeNano": "timeNano",
}


def show_events(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.cli.formats.moments import moment
    from lamina.runtime.containers.journal import events

    filters = parse_filters(arguments.filter)
    shown = shown_as(arguments.format)
    since = moment(arguments.since, "--since") if arguments.since else None
    until = moment(arguments.until, "--until") if arguments.until else None
    with open_store(settings, enter=False) as store:
        root = store.root
    for found in events(root, since, until):
        event = completed(found)
        if is_wanted(event, filters):
            sys.stdout.write(f"{shown(event)}\n")
            sys.stdout.flush()
    return 0


def completed(found: dict[str, Any]) -> Event:
    """An event with the fields that Docker's API has kept from its beginnings."""
    if found["Type"] not in ("container", "image"):
        return Event(found)
    old = {"status": found["Action"], "id": found["Actor"]["ID"]}
    if found["Type"] == "container":
        old["from"] = found["Actor"]["Attributes"].get("image", "")
    return Event({**old, **found})


def shown_as(form: str) -> Callable[[Event], str]:
    """What makes a line of an event: docker's, or as `--format` asks."""
    if not form:
        return _line
    if form == "json":
        return as_json
    from lamina.cli.formats.template import compiled, unescape

    return compiled(unescape(form))


def _line(event: Event) -> str:
    from lamina.cli.formats.tables import one_line

    pairs = (f"{name}={given}" for name, given in sorted(event.attributes.items()))
    stamp = _stamp(event["timeNano"])
    text = f"{event['Type']} {event['Action']} {event['Actor']['ID']}"
    return one_line(f"{stamp} {text} ({', '.join(pairs)})")


def _stamp(nanoseconds: int) -> str:
    """Go's RFC3339NanoFixed, in local time."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", local)
    return f"{text}.{fraction:09}{zone[:3]}:{zone[3:]}"


# Filters (moby, daemon/events/filter.go)


def parse_filters(texts: list[str]) -> Filters:
    """`--filter` as values by kind; raises LaminaError for what there is not."""
    filters: Filters = {}
    hint = f"KEY=VALUE, of {', '.join(_FILTERS)}."
    for key, wanted in filter_pairs(texts, hint):
        if key not in _FILTERS:
            raise LaminaError(f"Invalid filter {f'{key}={wanted}'!r}.", hint=hint)
        filters.setdefault(key, []).append(wanted)
    return filters


def is_wanted(event: Event, filters: Filters) -> bool:
    """Whether an event passes: all kinds of filter, any of one kind, all labels."""
    for key, wanted in filters.items():
        found = (_FILTERS[key](event, text) for text in wanted)
        if not (all(found) if key == "label" else any(found)):
            return False
    return True


def _action(event: Event, wanted: str) -> bool:
    """What comes after a colon need not be named: `health_status`, `exec_start`."""
    action: str = event["Action"]
    return wanted in (action, action.partition(":")[0])


def _label(event: Event, wanted: str) -> bool:
    name, equals, given = wanted.partition("=")
    found = event.attributes
    return name in found and (not equals or found[name] == given)


def _image(event: Event, wanted: str) -> bool:
    """An image's own events, and those of containers of it, with a tag or without."""
    field = "name" if event["Type"] == "image" else "image"
    names = (event["Actor"]["ID"], event.attributes.get(field, ""))
    return wanted in (*names, *(_untagged(name) for name in names))


def _untagged(name: str) -> str:
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition('@')[0].partition(':')[0]}"


def _of(kind: str) -> Matches:
    """Events of a thing that is named by its name, its ID, or how either begins."""

    def matches(event: Event, wanted: str) -> bool:
        found = event.attributes
        about = event["Type"] == kind
        names = (event["Actor"]["ID"], found.get("name", "")) if about else ()
        every = (*names, found.get(kind, ""))
        return any(wanted and name.startswith(wanted) for name in every)

    return matches


_FILTERS: dict[str, Matches] = {
    "type": lambda event, wanted: event["Type"] == wanted,
    "event": _action,
    "container": _of("container"),
    "image": _image,
    "network": _of("network"),
    "volume": _of("volume"),
    "label": _label,
    "scope": lambda event, wanted: event["scope"] == wanted,
}
