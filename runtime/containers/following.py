"""Reading on in the log of a container until nobody keeps it any more."""

from __future__ import annotations

import os
import time

from lamina.runtime.containers import logs, state
from lamina.runtime.containers.inotify import Changes
from lamina.runtime.errors import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.runtime.containers.logs import Record


def followed(
    root: str,
    identity: str,
    tail: int | None,
    resting: Callable[[], None] = lambda: None,
    until: int | None = None,
) -> Iterator[Record]:
    """The records of a container's log until it has ended, or is gone, or it is that
    moment (ns); `resting` is called when for now there are no more."""
    place = state.directory(root, identity)
    changes = Changes()
    changes.watch(place)

    def ended() -> bool:
        resting()
        left = None if until is None else (until - time.time_ns()) / 1e9
        if left is not None and left <= 0:
            return True
        try:
            keeper = state.see(root, identity).keeper
        except NoSuchContainer:
            return True
        process = state.open_process(keeper)
        if process is None:
            return True
        try:
            # It writes the log or the state, or dies.
            changes.wait(left, process)
        finally:
            os.close(process)
        return False

    try:
        yield from logs.follow(f"{place}/log", tail, ended)
    finally:
        changes.close()
