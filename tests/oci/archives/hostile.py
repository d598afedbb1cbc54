"""What is said against an archive that is not to be unpacked."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.apply import Limits, apply

EVIL = b"evil"


def refuse(archive: bytes, root: Path, limits: Limits | None = None) -> str:
    """What `apply` says against an archive; it leaves nothing open."""
    files = set(os.listdir("/proc/self/fd"))
    with pytest.raises(InvalidArchive) as caught:
        apply(io.BytesIO(archive).read, str(root), limits or Limits(), "trusted", None)
    assert set(os.listdir("/proc/self/fd")) <= files
    return caught.value.message


def up(root: Path) -> str:
    """A way out of the root that works whatever its depth is."""
    return "../" * 30 + str(root.parent)
