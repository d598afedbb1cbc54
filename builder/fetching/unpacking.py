"""Unpacking: which files are archives, and how much one may become."""

from __future__ import annotations

import os

from lamina.errors import LaminaError
from lamina.oci.streams.compression import open_stream
from lamina.oci.tar.header import BLOCK, EMPTY_BLOCK, parse_header
from lamina.values import value


@value
class Unpacking:
    """Whether to unpack (None: archives of the context, and none that was fetched),
    and how many bytes one archive may become.

    With 0 that is 1 GiB or 250 times the archive's size, whichever is more: holes in
    files count as bytes, for whoever reads the image reads them.
    """

    wanted: bool | None = None
    limit: int = 0

    def bytes_from(self, archive: int) -> int:
        """The limit for an open archive."""
        return self.limit or max(1 << 30, 250 * os.fstat(archive).st_size)


def is_archive(fd: int) -> bool:
    """Whether an open file is a tar with at least one member, compressed or not."""
    try:
        plain = open_stream(lambda size: os.read(fd, size))
        block = b""
        while len(block) < BLOCK and (data := plain(BLOCK - len(block))):
            block += data
        if len(block) < BLOCK or block == EMPTY_BLOCK:
            return False
        parse_header(block)
    except LaminaError:
        return False
    finally:
        os.lseek(fd, 0, os.SEEK_SET)
    return True
