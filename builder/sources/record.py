"""Record: what lstat says of a file, as the bytes by which it is known again.

Inode and ctime are in it: a program can put size and mtime back as they were, but not
those. A tree has very many Records: they are bytes, and unpacked to plain tuples.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

_RECORD = struct.Struct("<7Q2q")
# The fields of an unpacked Record; the times are in ns.
MODE, INODE, DEVICE, LINKS, UID, GID, SIZE, MTIME, CTIME = range(9)
RECORD_SIZE = _RECORD.size
# Of the digest that goes with a Record: a sha256.
DIGEST_SIZE = 32
# The Record of a file that has to be read again.
UNKNOWN = bytes(RECORD_SIZE)

pack_record = _RECORD.pack
unpack_record = _RECORD.unpack


def record_of(status: os.stat_result) -> bytes:
    """The Record of what lstat gave."""
    return pack_record(*status[:7], status.st_mtime_ns, status.st_ctime_ns)
