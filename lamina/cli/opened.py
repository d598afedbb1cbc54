"""The store, opened for one command and closed after it."""

from __future__ import annotations

import contextlib
import os

from lamina.cli.telling import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store


def become_root(root: str) -> str:
    """As an ordinary user, become root of a namespace: that of the containers of the
    store at `root` where some run. What it lacks, or ""."""
    if os.geteuid() == 0:
        return ""
    from lamina.runtime.containers.living import keepers
    from lamina.runtime.isolation.userns import enter

    return enter(members=keepers(root))


def tell_lacking(lacking: str) -> None:
    """Say what a user's namespace lacks, where files get their owners."""
    if lacking:
        warn(lacking)


@contextlib.contextmanager
def opened(settings: Settings, adds: bool = True) -> Iterator[Store]:
    """The store of `settings`; an ordinary user is root of a namespace from here on.

    No thread may exist yet (unshare(2), CLONE_NEWUSER). Who `adds` nothing can work on
    a full disk, too.
    """
    from lamina.oci.store import reserve
    from lamina.oci.store.store import Store

    become_root(settings.root)
    room = contextlib.nullcontext() if adds else reserve.used(settings.root)
    with room, contextlib.closing(Store.open(settings.root)) as store:
        yield store
