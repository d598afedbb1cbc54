"""One command at a time changes a project; others wait for it."""

from __future__ import annotations

import contextlib
import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def alone(root: str, project: str) -> Iterator[None]:
    """Alone among those who bring the project of the store at `root` up or down.

    The lock is let go by the kernel when its holder dies.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(f"{root}/locks/project-{project}", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
