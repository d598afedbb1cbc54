"""The store, opened for one command and closed after it."""

from __future__ import annotations

import contextlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.store import Store


def become_root() -> None:
    """As an ordinary user, become root of a namespace; say what that one lacks."""
    from lamina.runtime.userns import enter

    lacking = enter()
    if lacking:
        print(f"lamina: warning: {lacking}", file=sys.stderr)


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store of `settings`; an ordinary user is root of a namespace from here on.

    No thread may exist yet (unshare(2), CLONE_NEWUSER).
    """
    from lamina.oci.store import Store

    become_root()
    store = Store.open(settings.root)
    try:
        yield store
    finally:
        store.close()
