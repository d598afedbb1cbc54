"""`lamina layers IMAGE`: what each layer brings, and what of it is wasted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lamina.cli.formats.tables import human_size, one_line, show
from lamina.cli.opened import opened

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.config import ImageConfig
    from lamina.oci.store.stack import Part
    from lamina.oci.store.store import Image, Store

_COLUMNS = {
    "Layer": "LAYER",
    "Size": "SIZE",
    "Wasted": "WASTED",
    "Added": "ADDED",
    "Changed": "CHANGED",
    "Removed": "REMOVED",
    "Step": "STEP",
}
_STEP_WIDTH = 60


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `layers`."""
    parser = commands.add_parser(
        "layers",
        help="Show what each layer of an image brings",
        description="Show the layers of an image, the lowest first: the step that "
        "made each, its size, its files, and the bytes that later layers overwrite "
        "or remove.",
    )
    flag = parser.add_argument
    flag("image", metavar="IMAGE")
    flag("--platform", default="", metavar="OS/ARCH", help="of several, this one")
    flag("--files", action="store_true", help="list the largest files of each layer")
    flag("--top", type=int, default=10, metavar="N", help="so many (default: 10)")
    flag("--no-trunc", action="store_true", help="show whole digests and steps")
    flag("--format", default="", metavar="TEMPLATE", help="json, table, Go template")
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the table, or an object for each layer."""
    from lamina.oci.store.stack import stack

    with opened(settings, adds=False) as store:
        image = _image(store, arguments.image, arguments.platform)
        parts = stack(store, image.layers).parts
        number = arguments.top if arguments.files else 0
        documents = _documents(store, image, parts, number)
    if arguments.format == "json":
        for document in documents:
            print(json.dumps(document, separators=(",", ":")))
        return 0
    rows = [_row(document, whole=arguments.no_trunc) for document in documents]
    if not arguments.format:
        rows = _with_files(rows, documents)
    show(rows, _COLUMNS, arguments.format)
    if not arguments.format:
        _sum(documents)
    return 0


def _image(store: Store, name: str, platform: str) -> Image:
    if not platform:
        return store.resolve(name)
    from lamina.oci.store.image_index import require_platform

    return store.image(require_platform(store, name, platform))


def steps_of(config: ImageConfig, number: int) -> list[str]:
    """What made each of `number` layers, by the history; "" where it does not say."""
    filled = [entry for entry in config.history if not entry.empty_layer]
    made = [entry.created_by or entry.comment for entry in filled]
    if len(made) != number:
        return [""] * number
    lines = (" ".join(text.removesuffix(" # buildkit").split()) for text in made)
    return [one_line(text.replace("RUN /bin/sh -c ", "RUN ", 1)) for text in lines]


def _documents(
    store: Store, image: Image, parts: tuple[Part, ...], files: int
) -> list[dict[str, Any]]:
    steps = steps_of(image.config, len(parts))
    found: list[dict[str, Any]] = []
    for part, step, diff_id in zip(parts, steps, image.config.diff_ids, strict=True):
        found.append(
            {
                "layer": diff_id,
                "step": step,
                "bytes": part.bytes,
                "wasted": part.wasted,
                "added": part.added,
                "changed": part.changed,
                "removed": part.removed,
            }
        )
        if files:
            found[-1]["files"] = [
                {
                    "path": f"/{file.path}",
                    "bytes": file.node.size,
                    "wasted": file.node.hidden is not None,
                }
                for file in part.largest(files)
            ]
    return found


def _row(document: dict[str, Any], *, whole: bool) -> dict[str, str]:
    step = document["step"]
    if not whole and len(step) > _STEP_WIDTH:
        step = f"{step[: _STEP_WIDTH - 1]}…"
    return {
        "Layer": document["layer"] if whole else document["layer"][7:19],
        "Size": human_size(document["bytes"]),
        "Wasted": human_size(document["wasted"]) if document["wasted"] else "-",
        "Added": str(document["added"]),
        "Changed": str(document["changed"]),
        "Removed": str(document["removed"]),
        "Step": step,
    }


def _with_files(
    rows: list[dict[str, str]], documents: list[dict[str, Any]]
) -> list[dict[str, str]]:
    """Under each layer its largest files."""
    found = []
    for row, document in zip(rows, documents, strict=True):
        found.append(row)
        found += [
            dict.fromkeys(_COLUMNS, "")
            | {
                "Size": f"  {human_size(file['bytes'])}",
                "Wasted": "  all" if file["wasted"] else "",
                "Step": f"  {one_line(file['path'])}",
            }
            for file in document.get("files", ())
        ]
    return found


def _sum(documents: list[dict[str, Any]]) -> None:
    total = sum(document["bytes"] for document in documents)
    wasted = sum(document["wasted"] for document in documents)
    number = "1 layer" if len(documents) == 1 else f"{len(documents)} layers"
    text = f"{number}, {human_size(total)}"
    if wasted:
        text += f", of which {human_size(wasted)} ({100 * wasted // total} %) wasted"
    print(text)
