"""Selection: the files that an instruction chose."""

from __future__ import annotations

from lamina.builder.sources.listing import Entry, Listing
from lamina.builder.sources.tree import Tree
from lamina.oci.digest import Digest
from lamina.values import value


@value
class FileItem:
    """One file, link or device, and the name that it has where it goes."""

    tree: Tree
    name: str
    entry: Entry


@value
class TreeItem:
    """What is in a directory; `listings[0]` is the directory itself.

    `parents`: its inner directories were written in the source (`--parents`).
    """

    tree: Tree
    listings: tuple[Listing, ...]
    parents: bool = False


Item = FileItem | TreeItem


@value
class Selection:
    """Items in the order of the sources, their digest, and what to warn about."""

    items: tuple[Item, ...]
    digest: Digest
    warnings: tuple[str, ...] = ()
