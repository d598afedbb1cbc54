"""`lamina inspect` and `history`: what images and containers are, as Docker says it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from lamina.cli.opened import opened
from lamina.cli.tables import ago, human_size, parse_time, show
from lamina.oci.config_json import inner_json
from lamina.oci.errors import NotFound
from lamina.oci.reference import parse_reference, pinned

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.config import ImageConfig
    from lamina.oci.store import Image, Store

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
        help="Show images and containers as JSON",
        description="Show all that is known of images and containers, as JSON.",
    )
    flag = parser.add_argument
    flag("names", nargs="+", metavar="NAME|ID")
    flag("-f", "--format", default="", metavar="TEMPLATE", help="json or Go template")
    flag("--type", choices=("image", "container"), default="", help="only these")
    flag("-s", "--size", action="store_true", help="count a container's files too")
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
    flag("--format", default="", metavar="TEMPLATE", help="json, table, Go template")
    parser.set_defaults(call=history)


_HUMAN = "sizes and times for people (default: true)"


# inspect


def inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what is found as one JSON list; 1 when a name meant nothing."""
    from lamina.cli.main import print_error

    found, missing = [], []
    with opened(settings) as store:
        for name in arguments.names:
            document = _document(store, name, arguments.type, arguments.size)
            if document is None:
                missing.append(name)
            else:
                found.append(document)
    if not arguments.format:
        print(json.dumps(found, indent=4, ensure_ascii=False))
    else:
        for document in found:
            print(_formatted(document, arguments.format))
    sys.stdout.flush()
    for name in missing:
        print_error(NotFound(f"No such {arguments.type or 'object'}: {name}"))
    return 1 if missing else 0


def _document(store: Store, name: str, kind: str, size: bool) -> dict[str, Any] | None:
    """A container first, as Docker looks, then an image."""
    if kind != "image":
        from lamina.cli.container_json import find_container_json

        document = find_container_json(store, name, size)
        if document is not None:
            return document
    identity = None if kind == "container" else store.resolve_id(name)
    return None if identity is None else image_json(store, store.image(identity))


def _formatted(document: dict[str, Any], style: str) -> str:
    if style == "json":
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    from lamina.cli.template import render, unescape

    return render(unescape(style), document)


def image_json(store: Store, image: Image) -> dict[str, Any]:
    """An image as the Engine API's `GET /images/{name}/json` gives it."""
    row = next(row for row in store.images() if row.id == image.id)
    names = [parse_reference(text) for text in row.references]
    config = image.config
    digests = (
        {pinned(name, row.manifest_digest).familiar(): None for name in names}
        if row.manifest_digest
        else {}
    )
    document = {
        "Id": image.id,
        "RepoTags": [name.familiar() for name in names],
        "RepoDigests": list(digests),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": config.created,
        "DockerVersion": config.other.get("docker_version", ""),
        "Author": config.author,
        "Config": docker_config(config),
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "OsVersion": config.os_version,
        "Size": row.bytes,
        "GraphDriver": {"Name": "overlay", "Data": _lowers(store, image)},
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
    }
    return {
        key: found
        for key, found in document.items()
        if found or key not in ("Variant", "OsVersion")
    }


def docker_config(config: ImageConfig) -> dict[str, Any]:
    """`Config` as the Engine API shows it: with Docker's fields that say nothing."""
    written = inner_json(config)
    always: dict[str, Any] = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": None,
        "Cmd": None,
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    return {**always, **written}


def _lowers(store: Store, image: Image) -> dict[str, str]:
    """The layers' directories as overlay takes them, the topmost first."""
    paths = [store.layer_path(content) for content in reversed(image.layers)]
    return {"LowerDir": ":".join(paths)} if paths else {}


# history


def history(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the image's history, the youngest line first."""
    with opened(settings) as store:
        identity = store.resolve_id(arguments.image)
        if identity is None:
            raise NotFound(
                f"No such image: {arguments.image}",
                hint="`lamina images` lists what is here.",
            )
        image = store.image(identity)
        sizes = _sizes(store, image)
    whole = arguments.no_trunc
    human = arguments.human == "true"
    rows: list[dict[str, str]] = []
    for entry, size in reversed(list(zip(image.config.history, sizes, strict=True))):
        first = image.id if whole else image.id.short
        created = parse_time(entry.created)
        command = entry.created_by.replace("\t", " ")
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
