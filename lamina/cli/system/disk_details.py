"""`lamina system df -v`: what each image, container, volume and cache entry takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.formats.tables import ago, human_size, one_line, print_table, shortened
from lamina.cli.images.sizes import (
    image_layers,
    layer_sizes,
    total,
    tree_size,
    volumes_of,
)
from lamina.oci.garbage.cache import kind_of
from lamina.oci.reference import parse_reference

if TYPE_CHECKING:
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container, State

_IMAGES = "REPOSITORY,TAG,IMAGE ID,CREATED,SIZE,SHARED SIZE,UNIQUE SIZE,CONTAINERS"
_CONTAINERS = "CONTAINER ID,IMAGE,COMMAND,LOCAL VOLUMES,SIZE,CREATED,STATUS,NAMES"
_STEPS = "CACHE ID,TYPE,STEP,SIZE,CREATED,LAST USED,SHARED"


def print_details(store: Store, there: list[tuple[Container, State]]) -> None:
    """A table for each kind of thing; `there` are the containers."""
    print("Images space usage:\n")
    print_table(_IMAGES.split(","), _images(store, there))
    print("\nContainers space usage:\n")
    print_table(_CONTAINERS.split(","), _containers(store, there))
    print("\nLocal Volumes space usage:\n")
    print_table(["VOLUME NAME", "LINKS", "SIZE"], _volumes(store, there))
    print("\nBuild cache usage:\n")
    print_table(_STEPS.split(","), _steps(store))
    print("\nCache mounts, which only `prune --cache-mounts` empties:\n")
    print_table(["ID", "COPIES", "SIZE", "LAST USED"], _mounts(store))
    print("\nFetched sources:\n")
    print_table(["TYPE", "NAME", "SIZE", "LAST USED"], _fetched(store))
    print("\nBuild records, with what a failed step left:\n")
    print_table(["BUILD", "RECIPE", "OUTCOME", "LEFT", "STARTED"], _records(store))


def _images(store: Store, there: list[tuple[Container, State]]) -> list[list[str]]:
    sizes, images = layer_sizes(store), image_layers(store)
    times: dict[str, int] = {}
    for layers in images.values():
        for content in layers:
            times[content] = times.get(content, 0) + 1
    rows = []
    for row in store.images():
        name = parse_reference(row.references[0]) if row.references else None
        shared = total(sizes, [c for c in images.get(row.id, ()) if times[c] > 1])
        rows.append(
            [
                name.familiar_name if name else "<none>",
                (name.tag if name else None) or "<none>",
                row.id.short,
                ago(row.created),
                human_size(row.bytes),
                human_size(shared),
                human_size(row.bytes - shared),
                str(sum(container.image == row.id for container, _ in there)),
            ]
        )
    return rows


def _containers(store: Store, there: list[tuple[Container, State]]) -> list[list[str]]:
    from lamina.cli.containers.listing import command, status
    from lamina.runtime.containers.state import directory
    from lamina.runtime.containers.volume_users import volume_names

    return [
        [
            container.short,
            one_line(container.image_name),
            command(container, whole=False),
            str(len(volume_names(store.root, container))),
            human_size(tree_size(f"{directory(store.root, container.id)}/upper")),
            ago(container.created / 1e9),
            status(state),
            container.name,
        ]
        for container, state in there
    ]


def _volumes(store: Store, there: list[tuple[Container, State]]) -> list[list[str]]:
    from lamina.runtime.volumes import stored

    folder = f"{store.root}/volumes"
    names = stored.names(store.root)
    used = [name for c, _ in there for name in volumes_of(store, c, names)]
    return [
        [name, str(used.count(name)), human_size(tree_size(f"{folder}/{name}/_data"))]
        for name in names
    ]


def _steps(store: Store) -> list[list[str]]:
    """The rows of the build cache, those first that were used last."""
    sizes = layer_sizes(store)
    in_images = set().union(*image_layers(store).values())
    rows = store.index.rows(
        "SELECT key, fields, name, layers, created, used FROM step "
        "ORDER BY used DESC, created DESC, key"
    )
    return [
        [
            key[7:19],
            kind_of(fields),
            shortened(name),
            human_size(total(sizes, layers.split())),
            ago(created),
            ago(used),
            "true" if set(layers.split()) & in_images else "false",
        ]
        for key, fields, name, layers, created, used in rows
    ]


def _mounts(store: Store) -> list[list[str]]:
    from lamina.builder.ops.cache_mounts import cache_mounts

    return [
        [
            shortened(mount.id or mount.name[:12]),
            str(len(mount.directories)),
            human_size(sum(map(tree_size, mount.directories))),
            ago(mount.used) if mount.used else "never",
        ]
        for mount in cache_mounts(store.root)
    ]


def _fetched(store: Store) -> list[list[str]]:
    from lamina.builder.fetching.fetched_list import fetched_sources

    return [
        [s.kind, shortened(s.name), human_size(tree_size(s.path)), ago(s.used)]
        for s in fetched_sources(store)
    ]


def _records(store: Store) -> list[list[str]]:
    from lamina.builder.traces.trace import traces

    return [
        [
            trace.id,
            shortened(trace.recipe),
            trace.outcome,
            human_size(tree_size(trace.root) if trace.root else 0),
            ago(trace.started),
        ]
        for trace in traces(store.root)
    ]
