"""Context: the files that a build may read, and a stage's or image's root likewise."""

from __future__ import annotations

import os
import threading

from lamina.builder.errors import MissingSource
from lamina.builder.sources.ignore import parse_ignore
from lamina.builder.sources.selection import select
from lamina.builder.sources.stat_cache import StatCache, is_trustworthy
from lamina.builder.sources.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.memos import Memos
    from lamina.builder.meter import Meter
    from lamina.builder.sources.choice import Choice
    from lamina.builder.sources.items import Selection


class Context:
    """An open tree to choose from; close it, or use it with `with`.

    Several threads may choose; one waits for the other.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._lock = threading.Lock()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write back what was learnt about unchanged files, and let go."""
        self.tree.close()

    def select(self, choice: Choice) -> Selection:
        """The files that `choice` means, and their digest."""
        with self._lock:
            return select(self.tree, choice)


def open_context(
    path: str,
    ignore: bytes = b"",
    memos: Memos | None = None,
    ignore_name: str = ".dockerignore",
    meter: Meter | None = None,
) -> Context:
    """The build context in the folder `path`, without what `ignore` names.

    `memos` (the store) keeps the digests of unchanged files between builds; `meter` is
    told of what is read. Raises MissingSource when there is no such folder,
    InvalidPattern.
    """
    patterns = parse_ignore(os.fsdecode(ignore), ignore_name)
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MissingSource(
            f"The build context {path} cannot be opened: {error.strerror}.",
            hint="Name a folder: `lamina build .`",
        ) from error
    if memos is not None and not is_trustworthy(os.fstat(root).st_dev):
        memos = None
    cache = StatCache(memos, os.path.realpath(path))
    name = "the build context"
    return Context(Tree(root, name, patterns, cache, owners=False, meter=meter))


def open_root(root: int, name: str) -> Context:
    """The root of a stage or image: `root` is a directory's descriptor (O_PATH will
    do), which stays the caller's; `name` is what messages call it."""
    own = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    return Context(Tree(own, name, owners=True))
