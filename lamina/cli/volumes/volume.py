"""`lamina volume`: its subcommands."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import open_store
from lamina.cli.subcommands import add_subcommands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.runtime.volumes.stored import StoredVolume

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_COLUMNS = {"Driver": "DRIVER", "Name": "VOLUME NAME"}
_FILTERS = ("dangling", "driver", "label", "name")


def add(commands: Commands) -> None:
    """Register `volume`."""
    about = "Make, list, show and remove volumes"
    inner = add_subcommands(commands, "volume", about)
    _add_create(inner)
    _add_ls(inner)
    _add_inspect(inner)
    from lamina.cli.volumes.removing import add_prune, add_rm

    add_rm(inner)
    add_prune(inner)


# create


def _add_create(inner: Commands) -> None:
    create = inner.add_parser(
        "create", help="Make a volume", description="Make a volume, and print its name."
    )
    flag = create.add_argument
    flag("name", metavar="VOLUME", nargs="?", default="")
    flag("--name", dest="named", default="", help=argparse.SUPPRESS)
    flag("-d", "--driver", default="local", metavar="DRIVER", help="local")
    about = "note something on it"
    flag("--label", action="append", default=[], metavar="KEY=VALUE", help=about)
    about = "type=, o= and device=, as mount(8) has them"
    flag("-o", "--opt", action="append", default=[], metavar="KEY=VALUE", help=about)
    create.set_defaults(call=_create)


def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    import os

    from lamina.cli.formats.labels import pairs
    from lamina.runtime.volumes import driver, stored

    if arguments.driver not in ("", stored.DRIVER):
        raise stored.VolumeError(
            f"There is no volume driver {arguments.driver!r}.", hint="local."
        )
    labels = pairs(arguments.label, "label")
    options = pairs(arguments.opt, "option")
    driver.check(options)
    name = arguments.name or arguments.named
    if name:
        _check_name(name)
    with open_store(settings) as store:
        anonymous = not name
        name = name or os.urandom(32).hex()
        print(stored.create(store.root, name, labels, options, anonymous).name)
        return 0


def _check_name(name: str) -> None:
    from lamina.runtime.errors import ContainerError
    from lamina.runtime.volumes import stored

    try:
        stored.check_name(name)
    except ContainerError as error:
        error.exit_code = stored.VolumeError.exit_code
        raise


# ls


def _add_ls(inner: Commands) -> None:
    about = "List volumes"
    parser = inner.add_parser(
        "ls", aliases=["list"], help=about, description=about + "."
    )
    flag = parser.add_argument
    flag("-q", "--quiet", action="store_true", help="only names")
    about_filter = ", ".join(_FILTERS)
    flag("-f", "--filter", action="append", default=[], help=about_filter)
    flag("--format", default="", metavar="TEMPLATE", help="table, json, template")
    parser.set_defaults(call=_list)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.labels import parse_filters
    from lamina.cli.formats.tables import show

    filters = parse_filters(arguments.filter, _FILTERS)
    found = _matching(settings, filters)
    if arguments.quiet and arguments.format in ("", "table"):
        for volume in found:
            print(volume.name)
        return 0
    show([_row(volume) for volume in found], _COLUMNS, arguments.format)
    return 0


def _matching(settings: Settings, filters: list[tuple[str, str]]) -> list[StoredVolume]:
    """The volumes that pass: of one kind of filter any, of labels all."""
    from lamina.cli.formats.labels import has_label, truth
    from lamina.runtime.containers.volume_users import users
    from lamina.runtime.volumes import stored

    with open_store(settings) as store:
        wanted: dict[str, list[str]] = {}
        for key, given in filters:
            wanted.setdefault(key, []).append(given)
        dangling = [truth(text, "dangling") for text in wanted.get("dangling", ())]
        used = users(store.root) if dangling else {}
        drivers, names = wanted.get("driver"), wanted.get("name")
        return [
            volume
            for volume in stored.volumes(store.root)
            if (not dangling or (volume.name not in used) in dangling)
            and (not drivers or stored.DRIVER in drivers)
            and (not names or any(part in volume.name for part in names))
            and all(has_label(volume.labels, text) for text in wanted.get("label", ()))
        ]


def _row(volume: StoredVolume) -> dict[str, str]:
    labels = sorted(volume.labels.items())
    return {
        "Availability": "N/A",
        "Driver": "local",
        "Group": "N/A",
        "Labels": ",".join(f"{key}={given}" for key, given in labels),
        "Links": "N/A",
        "Mountpoint": volume.data,
        "Name": volume.name,
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    }


# inspect


def _add_inspect(inner: Commands) -> None:
    about = "Show what volumes are, as JSON"
    parser = inner.add_parser("inspect", help=about, description=about + ".")
    flag = parser.add_argument
    flag("names", metavar="VOLUME", nargs="+")
    flag("-f", "--format", default="", metavar="TEMPLATE", help="json or a template")
    parser.set_defaults(call=_inspect)


def _inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.formats.documents import show_each
    from lamina.runtime.volumes import stored

    with open_store(settings) as store:

        def document(name: str) -> dict[str, object]:
            return volume_json(stored.load(store.root, name))

        return show_each(arguments.names, document, arguments.format)


def volume_json(volume: StoredVolume) -> dict[str, object]:
    """A volume as the Engine API's `GET /volumes/{name}` gives it."""
    import time

    created = time.gmtime(volume.created // 10**9)
    return {
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
        "Driver": "local",
        "Labels": dict(volume.labels) or None,
        "Mountpoint": volume.data,
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": "local",
    }
