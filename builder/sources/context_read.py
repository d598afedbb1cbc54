"""ContextRead: a choice of files from the context, as a build remembers it."""

from __future__ import annotations

from lamina.values import value


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
