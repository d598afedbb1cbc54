"""What can be wrong with images, archives and the store."""

from __future__ import annotations

import errno

from lamina.errors import LaminaError

# Of an OSError: there is no more to be had, which says nothing of the file.
SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class InvalidReference(LaminaError):
    """A name that no image can have."""


class InvalidDigest(LaminaError):
    """Not `sha256:` and 64 hexadecimal digits."""


class InvalidImage(LaminaError):
    """A manifest, index or config that does not follow the image specification."""


class InvalidArchive(LaminaError):
    """An archive that is damaged, or that tries to leave its place."""


class ArchiveTooLarge(InvalidArchive):
    """An archive that would become more than it may: a trap, or more than expected."""


class DigestMismatch(InvalidArchive):
    """Content that is not what its digest says."""


class NotFound(LaminaError):
    """No such image, blob or layer."""


class InUse(LaminaError):
    """What was to be removed is still needed."""


class StoreError(LaminaError):
    """The store cannot be opened or written."""
