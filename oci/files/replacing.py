"""A file that somebody else reads, written anew: as it was, or as it is to be."""

from __future__ import annotations

import contextlib
import os


def write_whole(path: str, data: bytes) -> None:
    """Have `path` hold `data`; a link to it stays one. Raises OSError.

    What is no regular file (/dev/null, a pipe) is written to, and stays what it is.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    path = os.path.realpath(path)
    temporary = f"{path}.{os.urandom(4).hex()}"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
