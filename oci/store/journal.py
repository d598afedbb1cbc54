"""The store's journal: what happened to containers, images, networks and volumes.

<root>/events has a line of JSON for each event, in the form of Docker's API; when it is
larger than 8 MiB it becomes <root>/events.1, and the one before that goes. Whoever does
something writes it down itself: there is no daemon to ask. docs/decisions/0014.
"""

from __future__ import annotations

import fcntl
import os
import time

from lamina.oci.json_writer import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Where events go on in a new file, in bytes.
_LARGEST = 8 << 20


def note(
    root: str, kind: str, action: str, identity: str, attributes: Mapping[str, str]
) -> None:
    """Append an event of a `kind` of thing (Docker's "Type"), named `identity`.

    One write(2) a line, so that those of several processes do not mix. An event that
    the disk has no room for is lost, and nothing else.
    """
    now = time.time_ns()
    event = {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": identity, "Attributes": attributes},
        "scope": "local",
        "time": now // 10**9,
        "timeNano": now,
    }
    path = f"{root}/events"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, f"{text(event)}\n".encode())
        _rotate(path, descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def note_image(root: str, action: str, identity: str, name: str = "") -> None:
    """Append an event of an image; `name` is what the user called it."""
    note(root, "image", action, identity, {"name": name or identity})


def note_prune(root: str, kind: str, freed: int) -> None:
    """Append that what nobody used of a kind was removed, and freed so many bytes."""
    note(root, kind, "prune", "", {"reclaimed": str(freed)})


def _rotate(path: str, descriptor: int) -> None:
    """Begin a new file when this one is large; one of those who see that does it."""
    found = os.fstat(descriptor)
    if found.st_size <= _LARGEST:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    # Whoever had the lock before may have done it.
    if os.stat(path).st_ino == found.st_ino:
        os.rename(path, f"{path}.1")
