"""A file that is hashed as it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from lamina.oci.digest import Digest
from lamina.oci.files.workspace import space_error

Write = Callable[[bytes], object]


def write_file(path: str, produce: Callable[[Write], object]) -> tuple[Digest, int]:
    """A new file of what `produce` writes; its digest and size.

    Raises StoreError on a full disk.
    """
    seen, size = hashlib.sha256(), 0
    try:
        with open(path, "xb") as file:

            def write(data: bytes) -> None:
                nonlocal size
                size += len(data)
                seen.update(data)
                file.write(data)

            produce(write)
    except OSError as error:
        raise space_error(error, path) from error
    return Digest.of_all(seen), size
