"""One digest, whoever makes it."""

from __future__ import annotations

import hashlib

import pytest

from lamina.oci.digest import Digest
from lamina.oci.sha256 import sha256


@pytest.mark.parametrize("length", [0, 1, 55, 56, 64, 1000, (1 << 16) - 1, 1 << 16])
def test_short_and_long_are_digested_alike(length: int) -> None:
    data = bytes(length)
    assert sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()
    assert Digest.of(data) == "sha256:" + hashlib.sha256(data).hexdigest()
