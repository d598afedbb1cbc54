"""Choice: the files of a tree that an instruction names."""

from __future__ import annotations

from lamina.values import value

_WILD = frozenset("*?[")


@value
class Choice:
    """The sources as written, `--exclude`, `--parents` and `--if-exists`."""

    sources: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    parents: bool = False
    # What is not there is no error.
    if_exists: bool = False
    # `exclude` is about files that wildcards among the sources match, too.
    exclude_matches: bool = True


def mounted(source: str) -> Choice:
    """What a mount shows of a tree: `source` is a path, and no pattern; "" is all."""
    if _WILD.intersection(source):
        source = "".join(f"\\{c}" if c in "*?[\\" else c for c in source)
    return Choice((source or ".",))
