"""What is said of a source that is not there: why, and what may have been meant."""

from __future__ import annotations

import os
import posixpath
import stat

from lamina.builder.errors import (
    MissingSource,
)
from lamina.builder.sources.tree import Tree


def missing(tree: Tree, source: str, path: str) -> MissingSource:
    """The error for a source that is not there: says why, and what is near."""
    reason = tree.ignore.reason(path)
    if reason:
        return MissingSource(
            f"{source} is left out of {tree.name} by {tree.ignore.name}: {reason}",
            hint=f"Add `!{path}` at the end of {tree.ignore.name} to bring it back.",
        )
    link = _dangling(tree, path)
    if link:
        return MissingSource(
            f"{source} is a link to {link}, which is not in {tree.name}.",
            hint="Links are followed inside the source only: copy what it points to.",
        )
    near = _near(tree, path)
    return MissingSource(
        f"{source} is not in {tree.name}.",
        hint=f"There is {_listed(near)}." if near else _content(tree, path),
    )


def _dangling(tree: Tree, path: str) -> str:
    """Where `path` points, if it is a link: one that leads nowhere."""
    try:
        place = tree.resolve(path, follow_last=False)
        if place.status is None or not stat.S_ISLNK(place.status.st_mode):
            return ""
        return os.readlink(place.path, dir_fd=tree.root)
    except OSError:
        return ""


def _near(tree: Tree, path: str) -> list[str]:
    from difflib import get_close_matches

    head, _, name = path.rpartition("/")
    try:
        names = tree.names(tree.resolve(head).path)
    except OSError:
        return []
    same = [n for n in names if n.lower() == name.lower()]
    near = same or get_close_matches(name, names, n=3)
    return [posixpath.join(head, n) for n in near]


def _content(tree: Tree, path: str) -> str:
    head = path.rpartition("/")[0]
    try:
        names = tree.names(tree.resolve(head).path)
    except OSError:
        return f"There is no directory {head} either."
    where = head or tree.name
    if not names:
        return f"{where} is empty."
    more = ", ..." if len(names) > 8 else ""
    return f"In {where}: {', '.join(names[:8])}{more}."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
