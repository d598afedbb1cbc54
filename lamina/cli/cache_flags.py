"""The flags of `build` about its cache."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import TypedDict

    class CacheInputs(TypedDict):
        """Fields of BuildInputs."""

        no_cache: bool
        fresh_stages: tuple[str, ...]
        fresh_caches: bool
        explain: bool


def add_cache_flags(parser: argparse.ArgumentParser) -> None:
    """`--no-cache[=mounts]`, `--no-cache-filter`, `--explain`."""
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


def cache_inputs(arguments: argparse.Namespace) -> CacheInputs:
    """What the flags say."""
    stages = ",".join(arguments.no_cache_filter).split(",")
    return {
        "no_cache": arguments.no_cache or arguments.fresh_caches,
        "fresh_stages": tuple(name.lower() for name in stages if name),
        "fresh_caches": arguments.fresh_caches,
        "explain": arguments.explain,
    }
