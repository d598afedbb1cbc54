"""ContextRead: a choice of files from the context, as a build remembers it."""

from __future__ import annotations

from lamina.values import value

_WILD = frozenset("*?[")


@value
class ContextRead:
    """A choice of files from the context, as COPY names it."""

    sources: tuple[str, ...]
    exclude: tuple[str, ...]
    parents: bool
    # What is not there is no error.
    if_exists: bool = False
    # `exclude` is about files that wildcards among the sources match, too.
    exclude_matches: bool = True


def mounted(source: str) -> ContextRead:
    """What a mount shows of a tree: `source` is a path, and no pattern; "" is all."""
    if _WILD.intersection(source):
        source = "".join(f"\\{c}" if c in "*?[\\" else c for c in source)
    return ContextRead((source or ".",), (), False)
