"""The flags of `build` about its cache."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import TypedDict

    from lamina.builder.events import Emit
    from lamina.builder.inputs.cache_places import CacheSource, CacheTarget
    from lamina.builder.sharing.exports import Exporter
    from lamina.oci.registry.session import Session
    from lamina.oci.store.store import Store

    class CacheInputs(TypedDict):
        """Fields of BuildInputs."""

        no_cache: bool
        fresh_stages: tuple[str, ...]
        fresh_caches: bool
        explain: bool
        cache_from: tuple[CacheSource, ...]


_FROM = "ask the cache of other machines, too (repeat)"
_TO = "write the cache for other machines (repeat)"


def add_cache_flags(parser: argparse.ArgumentParser) -> None:
    """`--no-cache[=mounts]`, `--no-cache-filter`, `--explain`, `--cache-from`,
    `--cache-to`."""
    flag = parser.add_argument
    # Spelled out, for an optional value would take the context for itself.
    flag("--no-cache", action="store_true", help="run every step; cache mounts stay")
    flag(
        "--no-cache=mounts",
        dest="fresh_caches",
        action="store_true",
        help="the same, and begin with empty cache mounts",
    )
    flag(
        "--no-cache-filter",
        action="append",
        default=[],
        metavar="STAGE",
        help="run every step of these stages (repeat, or with commas)",
    )
    flag("--explain", action="store_true", help="say of each step why it ran")
    for name, text in (("--cache-from", _FROM), ("--cache-to", _TO)):
        flag(name, action="append", default=[], metavar="PLACE", help=text)


def cache_inputs(arguments: argparse.Namespace) -> CacheInputs:
    """What the flags say."""
    stages = ",".join(arguments.no_cache_filter).split(",")
    return {
        "no_cache": arguments.no_cache or arguments.fresh_caches,
        "fresh_stages": tuple(name.lower() for name in stages if name),
        "fresh_caches": arguments.fresh_caches,
        "explain": arguments.explain,
        "cache_from": _sources(arguments.cache_from),
    }


def _sources(given: list[str]) -> tuple[CacheSource, ...]:
    if not given:
        return ()
    from lamina.builder.inputs.cache_places import parse_cache_from

    return tuple(source for text in given for source in parse_cache_from(text))


def cache_targets(arguments: argparse.Namespace) -> tuple[CacheTarget, ...]:
    """Where `--cache-to` wants the cache to be written; raises LaminaError for a folder
    that cannot be, before anything is built."""
    if not arguments.cache_to:
        return ()
    from lamina.builder.inputs.cache_places import LOCAL, parse_cache_to
    from lamina.oci.archives.layout_folder import check_kept

    found = tuple(t for text in arguments.cache_to for t in parse_cache_to(text))
    for target in found:
        if target.place.kind == LOCAL and not target.optional:
            check_kept(target.place.place)
    return found


@contextlib.contextmanager
def sharing(
    targets: tuple[CacheTarget, ...],
    store: Store,
    open_session: Callable[[], Session],
    emit: Emit,
) -> Iterator[Exporter | None]:
    """Who writes the cache when the build in the block is done; None for nobody."""
    if not targets:
        yield None
        return
    from lamina.builder.sharing.exports import Exporter

    with Exporter(store, open_session, emit) as exporter:
        yield exporter
