"""Which builds are remembered, and of which what their failed step left is kept.

Such a root takes as much of the disk as the step had written, and pins the layers
that it stands on. Whoever builds holds the journal's lock exclusively and whoever
looks into a root shares it: nothing of a build goes while either does.
"""

from __future__ import annotations

import contextlib
import os
import time

from lamina.builder.traces.trace import (
    JOURNAL,
    LOGS,
    ROOT,
    build_ids,
    builds_folder,
    is_in_use,
)
from lamina.errors import LaminaError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.store.store import Store

# So many builds are kept, and of so many of them what a failed step left.
KEPT_BUILDS = 50
KEPT_ROOTS = 5
# The run of a younger log may not be in the cache yet.
_RECENT = 3600


@value
class KeptRoot:
    """What the failed step of `build` left: a folder, and when it did (seconds)."""

    build: str
    path: str
    made: float


def pin_owner(build: str) -> str:
    """By which name a build's root pins the layers below it."""
    return f"build:{build}"


def kept_roots(store: Store) -> tuple[KeptRoot, ...]:
    """All of them, the youngest first."""
    folder = builds_folder(store.root)
    found = []
    for name in build_ids(store.root):
        with contextlib.suppress(FileNotFoundError):
            path = f"{folder}/{name}/{ROOT}"
            os.stat(path)
            # Of the journal: a step may set its root's times as it likes.
            made = os.stat(f"{folder}/{name}/{JOURNAL}").st_mtime
            found.append(KeptRoot(name, path, made))
    return tuple(sorted(found, key=lambda root: (-root.made, root.build)))


def remove_root(store: Store, root: KeptRoot) -> bool:
    """Remove one and let go of the layers below; False while somebody is in it.

    The folder goes first, as on a full disk nothing can be written before; a pin that
    could not be let go of then is at the next collection.
    """
    if is_in_use(os.path.dirname(root.path)):
        return False
    store.discard(root.path)
    with contextlib.suppress(LaminaError):
        store.unpin(pin_owner(root.build))
    return True


def collect(store: Store) -> None:
    """Make room for one more build: the oldest go, old roots, and pins of neither."""
    folder = builds_folder(store.root)
    ages = []
    for name in build_ids(store.root):
        with contextlib.suppress(FileNotFoundError):
            ages.append((os.stat(f"{folder}/{name}").st_ctime, name))
    for root in kept_roots(store)[KEPT_ROOTS:]:
        remove_root(store, root)
    for _, name in sorted(ages, reverse=True)[KEPT_BUILDS - 1 :]:
        if not is_in_use(f"{folder}/{name}"):
            store.discard(f"{folder}/{name}")
    _drop_pins(store)


def drop_logs(store: Store) -> int:
    """Remove logs of runs whose result is no longer in the build cache; their bytes.

    Those of builds that are kept lie with the build: these are what later builds show
    for a step that they found.
    """
    folder = f"{builds_folder(store.root)}/{LOGS}"
    known = {key[7:] for (key,) in store.index.rows("SELECT key FROM step")}
    size = 0
    with contextlib.suppress(FileNotFoundError):
        for name in set(os.listdir(folder)) - known:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(f"{folder}/{name}")
                if status.st_mtime < time.time() - _RECENT:
                    os.unlink(f"{folder}/{name}")
                    size += status.st_size if status.st_nlink == 1 else 0
    return size


def remove_roots_on(store: Store, contents: Iterable[str]) -> None:
    """Remove the roots that stand on one of these layers, and nobody is in."""
    wanted = set(contents)
    for root in kept_roots(store):
        rows = store.index.rows(
            "SELECT content FROM pin WHERE owner=?", pin_owner(root.build)
        )
        if wanted.intersection(content for (content,) in rows):
            remove_root(store, root)


def _drop_pins(store: Store) -> None:
    """Pins of builds that died before their root was in its place, or after."""
    rows = store.index.rows("SELECT DISTINCT owner FROM pin WHERE owner LIKE 'build:%'")
    for (owner,) in rows:
        folder = f"{builds_folder(store.root)}/{owner.partition(':')[2]}"
        if not os.path.isdir(f"{folder}/{ROOT}") and not is_in_use(folder):
            store.unpin(owner)
