"""What builds fetched and keep for later ones: downloads, mirrors of repositories."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from lamina.oci.errors import InUse
from lamina.values import value

if TYPE_CHECKING:
    from lamina.oci.store.store import Store

# What BuildKit calls the two.
DOWNLOAD, GIT = "source.http", "source.git.checkout"
_FOLDERS = {DOWNLOAD: "downloads", GIT: "git"}


@value
class FetchedSource:
    """A file or a mirror, and when (Unix seconds) a build used it last."""

    kind: str
    name: str
    path: str
    used: int


def fetched_sources(store: Store) -> tuple[FetchedSource, ...]:
    """All of them, the youngest first."""
    found = []
    names = _names(store)
    for kind, folder in _FOLDERS.items():
        place = f"{store.root}/{folder}"
        for name in os.listdir(place) if os.path.isdir(place) else ():
            with contextlib.suppress(FileNotFoundError):
                used = int(os.stat(f"{place}/{name}").st_mtime)
                shown = names.get(name, name[:12])
                found.append(FetchedSource(kind, shown, f"{place}/{name}", used))
    return tuple(sorted(found, key=lambda each: (-each.used, each.path)))


def remove_fetched(store: Store, source: FetchedSource) -> bool:
    """Remove one; False when a build is at it."""
    if source.kind == DOWNLOAD:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(source.path)
        return True
    try:
        with store.alone(f"git-{os.path.basename(source.path)}", lambda: True):
            store.discard(source.path)
    except InUse:
        return False
    return True


def _names(store: Store) -> dict[str, str]:
    """What downloads are called, by the digest that they are kept under."""
    found = {}
    for (data,) in store.index.rows("SELECT value FROM memo WHERE kind='download'"):
        with contextlib.suppress(ValueError, IndexError):
            digest, name, *_ = json.loads(data)
            found[str(digest).removeprefix("sha256:")] = str(name)
    return found
