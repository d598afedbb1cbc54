"""write_all: what write(2) has to be called for again."""

from __future__ import annotations

import os


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`: a pipe, or a disk that is nearly full, may take a part of it
    first."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
