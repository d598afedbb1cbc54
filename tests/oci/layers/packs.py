"""Trees as tests pack them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from lamina.oci.layers.pack import Packed, Times, pack

KEEP = Times(None, 0)


def packed(root: Path, times: Times = KEEP) -> tuple[Packed, bytes]:
    """The changeset in `root` as a tar, which is what its digest says."""
    out = io.BytesIO()
    done = pack(str(root), times, out.write, "trusted")
    data = out.getvalue()
    assert done.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert done.size == len(data)
    assert pack(str(root), times, None, "trusted") == done
    return done, data


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()
