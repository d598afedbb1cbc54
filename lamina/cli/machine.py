"""What a machine refuses at whatever call: a full disk, too many files, a bad disk.

A module that knows the file says more, and first; this is for where it strikes at
any other of the many places that write.
"""

from __future__ import annotations

import errno
import os

from lamina.errors import LaminaError

_SPACE = (
    "`lamina system df` shows what the store uses, `lamina system prune` frees what "
    "nothing needs."
)
_CAUSES = {
    errno.ENOSPC: ("No space left on the disk", _SPACE),
    errno.EDQUOT: ("No quota left on the disk", _SPACE),
    errno.EROFS: ("The file system is mounted read-only", ""),
    errno.EIO: ("The disk gave an error", "`dmesg` may know more."),
    errno.EMFILE: ("Too many files are open", "Raise `ulimit -n`."),
    errno.ENFILE: ("Too many files are open on this machine", ""),
    errno.ENOMEM: ("This machine has no memory left", ""),
    errno.EFBIG: ("The file would be larger than is allowed", "Raise `ulimit -f`."),
}
_MEMORY = "Raise `ulimit -v`, or end what uses it."
# What Python's _thread says of clone(2)'s EAGAIN, and dlopen(3) of mmap(2)'s ENOMEM.
_NO_THREAD = "can't start new thread"
_NO_LIBRARY = "failed to map segment from shared object"


def machine_error(error: Exception) -> LaminaError | None:
    """The sentence for a refusal of the machine; None for anything else, which is a
    fault of ours."""
    if isinstance(error, MemoryError) or str(error).endswith(_NO_LIBRARY):
        return LaminaError("There is not enough memory.", hint=_MEMORY)
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return LaminaError(
            "No thread can be started.", hint="Raise `ulimit -u` or `ulimit -v`."
        )
    if not isinstance(error, OSError):
        return None
    if error.errno not in _CAUSES:
        return None
    sentence, hint = _CAUSES[error.errno]
    where = os.fsdecode(error.filename) if error.filename else ""
    return LaminaError(f"{sentence}: {where}." if where else f"{sentence}.", hint=hint)
