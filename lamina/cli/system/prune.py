"""`lamina system prune` and `gc`: remove what nothing needs, or what is too much."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from lamina.cli.formats.labels import filter_pairs
from lamina.cli.formats.moments import moment
from lamina.cli.formats.tables import human_size, one_line
from lamina.cli.opened import opened
from lamina.cli.system.measures import parse_bytes
from lamina.cli.telling import warn
from lamina.errors import LaminaError
from lamina.oci.garbage.policy import ALWAYS, Collected, Policy, Space
from lamina.oci.reference import parse_reference
from lamina.values import replace, value

if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store

# A cache row that no build used for so long goes with any prune.
_KEEP_CACHE = 7 * 86400
_STEPS = ("run", "test", "copy", "add", "workdir")
_MOUNTED = "mounted"
# What the rows of the build cache are of.
_ROWS = (*_STEPS, _MOUNTED)
_MOUNT = "exec.cachemount"
_FETCHED = ("source.http", "source.git.checkout")
# `type=`: what steps do, and BuildKit's names for what else there is.
_TYPES = {
    **{name: (name,) for name in _STEPS},
    "regular": _STEPS,
    "download": ("source.http",),
    "git": ("source.git.checkout",),
    "source.local": (_MOUNTED,),
    "cache-mount": (_MOUNT,),
    **{name: (name,) for name in (_MOUNTED, _MOUNT, *_FETCHED)},
}
_FILTERS = "until=24h, type=run, id=3f2a, label=KEY=VALUE"


class PruneUsage(LaminaError):
    """A filter that does not exist, or flags that do not go together."""


@value
class Wanted:
    """What a prune is to remove.

    `everything`: -a; `before`: what was made or used before then (Unix seconds), None
    where nothing is said; `types`, `ids` and `labels` narrow it down to a part of the
    build cache or of the images; `mounts`: cache mounts, too.
    """

    everything: bool = False
    before: int | None = None
    types: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    space: Space | None = None
    mounts: bool = False

    @property
    def images(self) -> bool:
        """Whether images are among it."""
        return not (self.types or self.ids)

    @property
    def steps(self) -> bool:
        """Whether rows of the build cache are."""
        kinds = set(self.types) & {*_ROWS}
        return not self.labels and bool(kinds or not self.types)

    @property
    def roots(self) -> bool:
        """Whether what failed steps left is: where nothing narrows it."""
        return not (self.types or self.ids or self.labels or self.space)

    @property
    def fetched(self) -> tuple[str, ...]:
        """The kinds of fetched sources that are: all, where nothing narrows it."""
        if self.types:
            return tuple(kind for kind in _FETCHED if kind in self.types)
        return () if self.ids or self.labels or self.space else _FETCHED


def add_prune(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `prune` and `gc`."""
    prune = inner.add_parser(
        "prune",
        help="Remove what nothing needs",
        description="Remove images without a name, build cache, fetched sources and "
        "what failed steps left unused for a week, and layers that nothing needs then. "
        "Containers, networks and cache mounts stay, and volumes without `--volumes`.",
    )
    flag = prune.add_argument
    flag("-a", "--all", action="store_true", help=_ALL)
    flag("-f", "--force", action="store_true", help="do not ask")
    flag("--filter", action="append", default=[], metavar="NAME=VALUE", help=_FILTERS)
    about = "anonymous volumes that no container has, as well"
    flag("--volumes", action="store_true", help=about)
    flag("--cache-mounts", action="store_true", help="empty cache mounts as well")
    flag("--max-used-space", metavar="SIZE", help="let the build cache be no larger")
    flag("--min-free-space", metavar="SIZE", help="let so much of the disk be free")
    flag("--reserved-space", metavar="SIZE", help="but let so much of the cache be")
    flag("--keep-storage", metavar="SIZE", help="the older name of --reserved-space")
    prune.set_defaults(call=run_prune)

    collect = inner.add_parser(
        "gc",
        help="Collect now what is collected after builds",
        description="Collect the build cache as lamina.toml says, which else happens "
        "after builds, now and then.",
    )
    collect.set_defaults(call=run_gc)


_ALL = "all images without a container, and the whole build cache"


def run_prune(arguments: argparse.Namespace, settings: Settings) -> int:
    """Collect garbage, after asking; what was freed is printed as Docker does."""
    wanted = _wanted(arguments, settings)
    if not arguments.force and not _confirmed(wanted):
        return 1
    from lamina.builder.traces.retention import drop_logs
    from lamina.oci.garbage.collect import collect
    from lamina.oci.store import journal, reserve
    from lamina.runtime.containers.container import collect as collect_containers

    with opened(settings, adds=False) as store:
        collect_containers(store)
        mounts, size = _remove_mounts(store, wanted) if wanted.mounts else ((), 0)
        freed = size + _remove_fetched(store, wanted) + _remove_roots(store, wanted)
        collected = Collected()
        if wanted.images or wanted.steps:
            collected = collect(store, _policy(store, wanted))
        freed += drop_logs(store)
        journal.note_prune(store.root, "builder", collected.bytes + freed)
        reserve.keep(store.root)
    bridge = wanted.everything and wanted.images and store.xattrs == "trusted"
    if bridge and _remove_network():
        print("Deleted Networks:\nlamina0\n")
    for name in mounts:
        print(f"emptied the cache mount {one_line(name)}")
    if arguments.volumes:
        from lamina.cli.volumes.removing import remove_anonymous

        freed += remove_anonymous(settings)
    tell(collected, freed)
    return 0


def run_gc(arguments: argparse.Namespace, settings: Settings) -> int:
    """Collect as after a build, in the open."""
    from lamina.cli.system.collecting import collect_as, gc_settings

    with opened(settings, adds=False) as store:
        wanted = gc_settings(settings)
        if not wanted.enabled:
            print("lamina.toml says enabled = false: nothing is collected.")
            return 0
        tell(collect_as(store, wanted), 0)
    return 0


def tell(collected: Collected, freed: int) -> None:
    """Print what went, and how many bytes with `freed` others."""
    if collected.references or collected.images:
        print("Deleted Images:")
        for name in collected.references:
            print(f"untagged: {parse_reference(name).familiar()}")
        for identity in collected.images:
            print(f"deleted: {identity}")
        print()
    if collected.steps:
        print(f"Deleted build cache entries: {collected.steps}\n")
    if collected.layers:
        print("Deleted layers:")
        for content in collected.layers:
            print(f"deleted: {content}")
        print()
    print(f"Total reclaimed space: {human_size(collected.bytes + freed)}")


def _remove_network() -> bool:
    """Take root's bridge away when no container is on it; the next makes it anew."""
    if not os.path.isdir("/sys/class/net/lamina0"):
        return False
    from lamina.runtime.network import network

    return network.remove_network(network.STATE_DIR)


def _wanted(arguments: argparse.Namespace, settings: Settings) -> Wanted:
    """What the flags ask for; raises LaminaError."""
    found = Wanted(
        arguments.all, space=_space(arguments, settings), mounts=arguments.cache_mounts
    )
    hint = f"Write --filter {_FILTERS}."
    for name, given in filter_pairs(arguments.filter, hint):
        if name in ("until", "unused-for"):
            found = replace(found, before=moment(given) // 10**9)
        elif name == "type":
            found = replace(found, types=(*found.types, *_kinds(given)))
        elif name == "id":
            found = replace(found, ids=(*found.ids, given.removeprefix("sha256:")))
        elif name == "label" and given:
            found = replace(found, labels=(*found.labels, given))
        else:
            raise PruneUsage(f"There is no filter {f'{name}={given}'!r}.", hint=hint)
    if found.labels and (found.types or found.ids or found.space):
        raise PruneUsage(
            "Labels are of images, and the other filters about the build cache.",
            hint="Prune the one and then the other.",
        )
    return replace(found, mounts=found.mounts or _MOUNT in found.types)


def _kinds(given: str) -> tuple[str, ...]:
    if given not in _TYPES:
        raise PruneUsage(
            f"There is no type {given!r}.", hint=f"There are {', '.join(_TYPES)}."
        )
    return _TYPES[given]


def _space(arguments: argparse.Namespace, settings: Settings) -> Space | None:
    given = (
        arguments.max_used_space,
        arguments.min_free_space,
        arguments.reserved_space or arguments.keep_storage,
    )
    if not any(given):
        return None
    disk = os.statvfs(settings.root if os.path.isdir(settings.root) else "/")
    size = disk.f_blocks * disk.f_frsize
    most, free, least = (parse_bytes(text, size) if text else 0 for text in given)
    # Alone it says how much is to be left.
    return Space(most or (0 if free else max(least, 1)), free, least)


def _policy(store: Store, wanted: Wanted) -> Policy:
    from lamina.runtime.containers.state import containers

    before = ALWAYS if wanted.before is None else wanted.before
    narrowed = wanted.types or wanted.ids or wanted.space
    long_ago = int(time.time()) - _KEEP_CACHE
    usual = ALWAYS if wanted.everything or narrowed else long_ago
    cache = usual if wanted.before is None else wanted.before
    return Policy(
        images_before=before if wanted.images else 0,
        all_images=wanted.everything,
        labels=wanted.labels,
        cache_before=cache if wanted.steps else 0,
        kinds=tuple(kind for kind in wanted.types if kind in _ROWS),
        ids=wanted.ids,
        space=wanted.space,
        keep=frozenset(container.image for container, _ in containers(store.root)),
    )


def _remove_mounts(store: Store, wanted: Wanted) -> tuple[tuple[str, ...], int]:
    """Remove cache mounts that nobody uses; their ids, and their bytes."""
    from lamina.builder.ops.cache_mounts import cache_mounts, remove_cache_mount
    from lamina.cli.images.sizes import tree_size

    gone, size = [], 0
    for mount in cache_mounts(store.root):
        if wanted.before is not None and mount.used >= wanted.before:
            continue
        if wanted.ids and not (
            mount.id in wanted.ids or mount.name.startswith(wanted.ids)
        ):
            continue
        count = sum(map(tree_size, mount.directories))
        if remove_cache_mount(store, mount.name):
            gone.append(mount.id or mount.name[:12])
            size += count
        else:
            text = f"a step uses the cache mount {one_line(mount.id)}"
            warn(text)
    return tuple(gone), size


def _remove_fetched(store: Store, wanted: Wanted) -> int:
    """Remove downloads and mirrors that are not in use; their bytes."""
    if not wanted.fetched:
        return 0
    from lamina.builder.fetching.fetched_list import fetched_sources, remove_fetched
    from lamina.cli.images.sizes import tree_size
    from lamina.oci.garbage.collect import horizon

    before = min(_before(wanted), horizon(store))
    size = 0
    for source in fetched_sources(store):
        if source.kind in wanted.fetched and source.used < before:
            count = tree_size(source.path)
            size += count if remove_fetched(store, source) else 0
    return size


def _remove_roots(store: Store, wanted: Wanted) -> int:
    """Remove what failed steps left, and nobody is in; its bytes."""
    if not wanted.roots:
        return 0
    from lamina.builder.traces.retention import kept_roots, remove_root
    from lamina.cli.images.sizes import tree_size

    before = _before(wanted)
    size = 0
    for root in kept_roots(store):
        if root.made < before:
            count = tree_size(root.path)
            size += count if remove_root(store, root) else 0
    return size


def _before(wanted: Wanted) -> int:
    """What was used before then (Unix seconds) goes: fetched sources, roots."""
    long_ago = int(time.time()) - _KEEP_CACHE
    usual = ALWAYS if wanted.everything or wanted.types else long_ago
    return usual if wanted.before is None else wanted.before


def _confirmed(wanted: Wanted) -> bool:
    lines = []
    if wanted.images and not wanted.space:
        of = f" with {' and '.join(wanted.labels)}" if wanted.labels else ""
        kind = "all images without a container"
        lines.append((kind if wanted.everything else "images without a name") + of)
    if wanted.steps:
        lines.append(_cache_line(wanted))
    if wanted.fetched and not wanted.steps:
        lines.append("fetched sources")
    if wanted.roots:
        lines.append("what failed steps left for `lamina shell`")
    if wanted.mounts:
        lines.append("what is in cache mounts")
    told = "".join(f"  - {line}\n" for line in lines)
    print(
        f"WARNING! This will remove:\n{told}\n"
        "Are you sure you want to continue? [y/N] ",
        end="",
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _cache_line(wanted: Wanted) -> str:
    if wanted.space is not None:
        return "build cache, the longest unused first, until what is left fits"
    if wanted.types or wanted.ids:
        return "the build cache that the filters name"
    if wanted.everything and wanted.before is None:
        return "the whole build cache"
    age = "for a week" if wanted.before is None else "since then"
    return f"build cache unused {age}"
