"""`lamina system df`: what images, containers, volumes and the build cache take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.cli.opened import opened
from lamina.cli.tables import ago, human_size, print_table, show
from lamina.oci.reference import parse_reference
from lamina.values import value

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from lamina.cli.settings import Settings
    from lamina.oci.store import Store
    from lamina.runtime.state import Container, State

_COLUMNS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}


@value
class _Use:
    """A line of `df`: how many there are, how many are in use, bytes of both."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int

    def row(self) -> dict[str, str]:
        share = f" ({100 * self.reclaimable // self.size}%)" if self.size else ""
        return {
            "Type": self.kind,
            "TotalCount": str(self.total),
            "Active": str(self.active),
            "Size": human_size(self.size),
            "Reclaimable": human_size(self.reclaimable) + share,
        }


def run_df(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show what images, containers, volumes and the build cache take."""
    from lamina.runtime.state import containers

    with opened(settings) as store:
        there = list(containers(store.root))
        uses = [
            _images_use(store, there),
            _containers_use(store, there),
            _volumes_use(store, there),
            _cache_use(store),
        ]
        if arguments.verbose:
            _print_details(store, there)
            return 0
    show([use.row() for use in uses], _COLUMNS, arguments.format)
    return 0


def _layer_sizes(store: Store) -> dict[str, int]:
    return dict(store.index.rows("SELECT content, bytes FROM layer"))


def _image_layers(store: Store) -> dict[str, set[str]]:
    rows = store.index.rows("SELECT id, layers FROM image")
    return {identity: set(layers.split()) for identity, layers in rows}


def _images_use(store: Store, there: list[tuple[Container, State]]) -> _Use:
    sizes, images = _layer_sizes(store), _image_layers(store)
    used = {container.image for container, _ in there} & images.keys()
    whole = set().union(*images.values())
    needed = set().union(*(images[identity] for identity in used))
    needed |= {content for container, _ in there for content in container.layers}
    return _Use(
        "Images",
        len(images),
        len(used),
        _total(sizes, whole),
        _total(sizes, whole - needed),
    )


def _total(sizes: dict[str, int], contents: Iterable[str]) -> int:
    return sum(sizes.get(content, 0) for content in contents)


def _containers_use(store: Store, there: list[tuple[Container, State]]) -> _Use:
    from lamina.runtime.state import directory

    sizes = [
        (tree_size(f"{directory(store.root, c.id)}/upper"), state.is_running)
        for c, state in there
    ]
    return _Use(
        "Containers",
        len(there),
        sum(running for _, running in sizes),
        sum(size for size, _ in sizes),
        sum(size for size, running in sizes if not running),
    )


def _volumes_use(store: Store, there: list[tuple[Container, State]]) -> _Use:
    folder = f"{store.root}/volumes"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    used = {name for container, _ in there for name in _volumes_of(container, names)}
    sizes = {name: tree_size(f"{folder}/{name}") for name in names}
    free = sum(size for name, size in sizes.items() if name not in used)
    return _Use("Local Volumes", len(names), len(used), sum(sizes.values()), free)


def _volumes_of(container: Container, names: list[str]) -> set[str]:
    from lamina.runtime.volumes import of_container

    asked = of_container(container.options, container.config)
    return {volume.source for volume in asked} & set(names)


def _cache_use(store: Store) -> _Use:
    """The layers that only the build cache keeps; the others count as images."""
    sizes = _layer_sizes(store)
    in_images = set().union(*_image_layers(store).values())
    rows = [
        set(text.split()) for (text,) in store.index.rows("SELECT layers FROM step")
    ]
    only = set().union(*rows) - in_images
    active = sum(bool(layers & in_images) for layers in rows)
    size = _total(sizes, only)
    return _Use("Build Cache", len(rows), active, size, size)


def tree_size(path: str) -> int:
    """The bytes of the files below `path`; what goes meanwhile does not count."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(f"{folder}/{name}").st_size
            except FileNotFoundError:
                continue
    return total


def _print_details(store: Store, there: list[tuple[Container, State]]) -> None:
    sizes, images = _layer_sizes(store), _image_layers(store)
    times: dict[str, int] = {}
    for layers in images.values():
        for content in layers:
            times[content] = times.get(content, 0) + 1
    print("Images space usage:\n")
    rows = []
    for row in store.images():
        name = parse_reference(row.references[0]) if row.references else None
        shared = [c for c in images.get(row.id, ()) if times[c] > 1]
        rows.append(
            [
                name.familiar_name if name else "<none>",
                (name.tag if name else None) or "<none>",
                row.id.short,
                ago(row.created),
                human_size(row.bytes),
                human_size(_total(sizes, shared)),
                human_size(row.bytes - _total(sizes, shared)),
                str(sum(container.image == row.id for container, _ in there)),
            ]
        )
    headings = "REPOSITORY,TAG,IMAGE ID,CREATED,SIZE,SHARED SIZE,UNIQUE SIZE,CONTAINERS"
    print_table(headings.split(","), rows)
    print("\nBuild cache usage:\n")
    steps = store.index.rows(
        "SELECT key, result, created, used FROM step ORDER BY used DESC"
    )
    print_table(
        ["CACHE ID", "LAYER", "SIZE", "CREATED", "LAST USED"],
        [
            [k[7:19], r[7:19], human_size(sizes.get(r, 0)), ago(created), ago(used)]
            for k, r, created, used in steps
        ],
    )
