"""`lamina inspect` and `history`: what images and containers are, as Docker says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.cli.formats.documents import as_json
from lamina.cli.formats.tables import ago, human_size, one_line, parse_time, show
from lamina.cli.images.image_json import image_json, index_json
from lamina.cli.opened import opened
from lamina.oci.errors import NotFound

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Image, Store

_COLUMNS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_CREATED_BY_WIDTH = 45


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `inspect` and `history`."""
    parser = commands.add_parser(
        "inspect",
        help="Show containers, images, networks and volumes as JSON",
        description="Show all that is known of containers, images, networks and "
        "volumes, as JSON.",
    )
    flag = parser.add_argument
    flag("names", nargs="+", metavar="NAME|ID")
    flag("-f", "--format", default="", metavar="TEMPLATE", help="json or a template")
    flag("--type", choices=_TYPES, default="", help="only these")
    flag("--platform", default="", metavar="OS/ARCH", help="of several, this one")
    flag("-s", "--size", action="store_true", help="count a container's files too")
    flag("--remote", action="store_true", help="what registries have, without pulling")
    parser.set_defaults(call=inspect)

    parser = commands.add_parser(
        "history",
        help="Show how an image was made",
        description="Show the steps that an image was made by, the last one first.",
    )
    flag = parser.add_argument
    flag("image", metavar="IMAGE")
    flag("-q", "--quiet", action="store_true", help="print IDs only")
    flag("-H", "--human", default="true", choices=("true", "false"), help=_HUMAN)
    flag("--no-trunc", action="store_true", help="show whole commands")
    flag("--format", default="", metavar="TEMPLATE", help="table, json or a template")
    parser.set_defaults(call=history)


_TYPES = ("container", "image", "network", "volume")
_HUMAN = "sizes and times for people (default: true)"


# inspect


def inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what is found as one JSON list; 1 when a name meant nothing."""
    from lamina.cli.telling import print_error

    text = _text(arguments.format)
    if arguments.remote:
        from lamina.cli.registries.remote_json import remote_json

        platform = arguments.platform
        print(text([remote_json(settings, n, platform) for n in arguments.names]))
        return 0
    found, missing = [], []
    with opened(settings, adds=False) as store:
        for name in arguments.names:
            document = _document(store, name, arguments)
            if document is None:
                missing.append(name)
            else:
                found.append(document)
    if found or not arguments.format:
        print(text(found), flush=True)
    for name in missing:
        print_error(NotFound(f"No such {arguments.type or 'object'}: {name}"))
    return 1 if missing else 0


def _text(style: str) -> Callable[[list[dict[str, Any]]], str]:
    """What `--format` makes of the documents; raises LaminaError for a wrong one."""
    if not style:
        return lambda found: as_json(found, indent=4)
    if style == "json":
        return as_json
    from lamina.cli.formats.template import compiled

    render = compiled(style)
    return lambda found: "\n".join(map(render, found))


def _document(
    store: Store, name: str, arguments: argparse.Namespace
) -> dict[str, Any] | None:
    """A container first, as Docker looks, then an image, a network, a volume."""
    kind = arguments.type
    for looked_for, find in _KINDS.items():
        if kind in ("", looked_for):
            document = find(store, name, arguments)
            if document is not None:
                return document
    return None


def _container(
    store: Store, name: str, arguments: argparse.Namespace
) -> dict[str, Any] | None:
    from lamina.cli.containers.container_json import find_container_json

    return find_container_json(store, name, arguments.size)


def _image(
    store: Store, name: str, arguments: argparse.Namespace
) -> dict[str, Any] | None:
    platform = arguments.platform
    found = store.resolve_any(name)
    if found is None:
        return None
    if platform:
        from lamina.oci.store.image_index import require_platform

        found = require_platform(store, name, platform)
    chosen = store.resolve_id(found)
    assert chosen is not None, f"{found} was just found"
    document = image_json(store, store.image(chosen))
    return document if chosen == found else document | index_json(store, found)


def _network(store: Store, name: str, _: argparse.Namespace) -> dict[str, Any] | None:
    from lamina.cli.networks.listing import network_json
    from lamina.runtime.network.definitions import NoSuchNetwork

    try:
        return network_json(store, name)
    except NoSuchNetwork:
        return None


def _volume(store: Store, name: str, _: argparse.Namespace) -> dict[str, Any] | None:
    from lamina.cli.volumes.volume import volume_json
    from lamina.runtime.volumes import stored

    try:
        return volume_json(stored.load(store.root, name))
    except stored.NoSuchVolume:
        return None


_KINDS = {
    "container": _container,
    "image": _image,
    "network": _network,
    "volume": _volume,
}


# history


def history(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the image's history, the youngest line first."""
    with opened(settings, adds=False) as store:
        identity = store.resolve_id(arguments.image)
        if identity is None:
            from lamina.oci.store.image_index import no_such_image

            raise no_such_image(arguments.image)
        image = store.image(identity)
        sizes = _sizes(store, image)
    whole = arguments.no_trunc
    human = arguments.human == "true"
    rows: list[dict[str, str]] = []
    for entry, size in reversed(list(zip(image.config.history, sizes, strict=True))):
        first = image.id if whole else image.id.short
        created = parse_time(entry.created)
        # A script has lines, which a table has not.
        command = entry.created_by
        if not arguments.format or not whole:
            command = one_line(" ".join(command.split()))
        rows.append(
            {
                "ID": "<missing>" if rows else first,
                "CreatedSince": ago(created)
                if human and created
                else entry.created or "N/A",
                "CreatedAt": entry.created,
                "CreatedBy": command if whole else _cut(command),
                "Size": human_size(size) if human else str(size),
                "Comment": entry.comment,
            }
        )
    if arguments.quiet:
        for row in rows:
            print(row["ID"])
        return 0
    columns = _COLUMNS
    if arguments.format.startswith("table "):
        columns = {**_COLUMNS, "CreatedAt": "CREATED AT"}
    show(rows, columns, arguments.format)
    return 0


def _sizes(store: Store, image: Image) -> list[int]:
    """The bytes that each line of history added; lines and layers may not match."""
    layers = iter(image.layers)
    found = []
    for entry in image.config.history:
        content = None if entry.empty_layer else next(layers, None)
        layer = store.layer(content) if content else None
        found.append(layer.bytes if layer else 0)
    return found


def _cut(text: str) -> str:
    return (
        text if len(text) <= _CREATED_BY_WIDTH else f"{text[: _CREATED_BY_WIDTH - 1]}…"
    )
