"""What came from elsewhere: a file, or a tree of files."""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.oci.digest import Digest


@value
class FetchedFile:
    """A file that was downloaded to `path`; `mtime` in ns, None when nobody told."""

    name: str
    path: str
    mtime: int | None
    mode: int = 0o600


@value
class FetchedTree:
    """A tree: the layer that has its files, where they lie, and the commit they are
    of, with its time (0: of no commit)."""

    layer: Digest
    path: str
    commit: str = ""
    seconds: int = 0
