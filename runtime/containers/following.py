"""Reading on in the log of a container until nobody keeps it any more."""

from __future__ import annotations

import os

from lamina.runtime.containers import logs, state
from lamina.runtime.errors import NoSuchContainer
from lamina.runtime.inotify import Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.runtime.containers.logs import Record


def followed(
    root: str,
    identity: str,
    tail: int | None,
    resting: Callable[[], None] = lambda: None,
) -> Iterator[Record]:
    """The records of a container's log until it has ended, or is gone; `resting` is
    called when for now there are no more."""
    place = state.directory(root, identity)
    changes = Changes()
    changes.watch(place)

    def ended() -> bool:
        resting()
        try:
            keeper = state.see(root, identity).keeper
        except NoSuchContainer:
            return True
        process = state.open_process(keeper)
        if process is None:
            return True
        try:
            # It writes the log or the state, or dies.
            changes.wait(None, process)
        finally:
            os.close(process)
        return False

    try:
        yield from logs.follow(f"{place}/log", tail, ended)
    finally:
        changes.close()
