"""Who writes to a container that does not run, and who waits to start it."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def alone(place: str) -> Iterator[None]:
    """Nobody starts the container at `place`, nor writes to it at rest, meanwhile."""
    import fcntl

    fd = os.open(place, _FOLDER)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def wait(place: str) -> None:
    """Return when nobody writes to the container at `place`, which was claimed."""
    import fcntl

    fd = os.open(place, _FOLDER)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)
