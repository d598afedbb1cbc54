"""Bytes of the files that a project names."""

from __future__ import annotations

import os
import stat

from lamina.services.errors import ComposeError

LARGEST_FILE = 4 << 20


def read_file(path: str, what: str = "file") -> bytes:
    """The bytes of a regular file, a pipe or a terminal; one more than LARGEST_FILE at
    most, which its readers refuse. Raises ComposeError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as stream:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise IsADirectoryError(21, "Is a directory")
            return stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise ComposeError(f"The {what} {path} cannot be read: {said}.") from None


def exists(path: str) -> bool:
    """Whether there is a file that could be read."""
    try:
        return os.path.isfile(path) or (
            os.path.exists(path) and not os.path.isdir(path)
        )
    except ValueError:
        return False


def shown(path: str, cwd: str) -> str:
    """A path as messages have it: below the current folder without it."""
    return path.removeprefix(cwd.rstrip("/") + "/")
