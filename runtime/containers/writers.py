"""Who writes to a container that does not run, and who waits to start it."""

from __future__ import annotations

import os

from lamina.oci.files.lock import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def alone(place: str) -> Lock:
    """Nobody starts the container at `place`, nor writes to it at rest, meanwhile."""
    return Lock.of_folder(place)


def wait(place: str) -> None:
    """Return when nobody writes to the container at `place`, which was claimed."""
    import fcntl

    fd = os.open(place, _FOLDER)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)
