"""`lamina system df`: what images, containers, volumes and what builds keep take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.formats.tables import human_size, show
from lamina.cli.images.sizes import (
    image_layers,
    layer_sizes,
    total,
    tree_size,
    volumes_of,
)
from lamina.cli.opened import opened
from lamina.values import value

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State

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
    """Show what images, containers, volumes and what builds keep take."""
    from lamina.runtime.containers.state import containers

    with opened(settings, adds=False) as store:
        there = list(containers(store.root))
        if arguments.verbose:
            from lamina.cli.system.disk_details import print_details

            print_details(store, there)
            return 0
        uses = [
            _images_use(store, there),
            _containers_use(store, there),
            _volumes_use(store, there),
            _cache_use(store),
            _mounts_use(store),
            _fetched_use(store),
            _records_use(store),
        ]
    show([use.row() for use in uses], _COLUMNS, arguments.format)
    return 0


def _images_use(store: Store, there: list[tuple[Container, State]]) -> _Use:
    sizes, images = layer_sizes(store), image_layers(store)
    used = {container.image for container, _ in there} & images.keys()
    whole = set().union(*images.values())
    needed = set().union(*(images[identity] for identity in used))
    needed |= {content for container, _ in there for content in container.layers}
    return _Use(
        "Images",
        len(images),
        len(used),
        total(sizes, whole),
        total(sizes, whole - needed),
    )


def _containers_use(store: Store, there: list[tuple[Container, State]]) -> _Use:
    from lamina.runtime.containers.state import directory

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
    from lamina.runtime.volumes import stored

    folder = f"{store.root}/volumes"
    names = stored.names(store.root)
    used = {
        name for container, _ in there for name in volumes_of(store, container, names)
    }
    sizes = {name: tree_size(f"{folder}/{name}/_data") for name in names}
    free = sum(size for name, size in sizes.items() if name not in used)
    return _Use("Local Volumes", len(names), len(used), sum(sizes.values()), free)


def _cache_use(store: Store) -> _Use:
    """The layers that only the build cache keeps; the others count as images."""
    sizes = layer_sizes(store)
    in_images = set().union(*image_layers(store).values())
    rows = [
        set(text.split()) for (text,) in store.index.rows("SELECT layers FROM step")
    ]
    only = set().union(*rows) - in_images
    active = sum(bool(layers & in_images) for layers in rows)
    size = total(sizes, only)
    return _Use("Build Cache", len(rows), active, size, size)


def _mounts_use(store: Store) -> _Use:
    """Cache mounts: no collection takes them, so none of it is to be reclaimed."""
    from lamina.builder.ops.cache_mounts import cache_mounts

    mounts = cache_mounts(store.root)
    size = sum(tree_size(path) for mount in mounts for path in mount.directories)
    return _Use("Cache Mounts", len(mounts), 0, size, 0)


def _fetched_use(store: Store) -> _Use:
    from lamina.builder.fetching.fetched_list import fetched_sources

    sources = fetched_sources(store)
    size = sum(tree_size(source.path) for source in sources)
    return _Use("Fetched Sources", len(sources), 0, size, size)


def _records_use(store: Store) -> _Use:
    """Logs of builds, and what failed steps left, which alone is to be reclaimed."""
    from lamina.builder.traces.retention import kept_roots
    from lamina.builder.traces.trace import builds_folder, traces

    there = traces(store.root)
    size = tree_size(builds_folder(store.root))
    roots = sum(tree_size(root.path) for root in kept_roots(store))
    running = sum(trace.outcome == "running" for trace in there)
    return _Use("Build Records", len(there), running, size, roots)
