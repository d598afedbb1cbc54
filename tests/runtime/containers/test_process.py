"""What a container's process is given."""

from __future__ import annotations

import pytest

from lamina.runtime.containers import process
from lamina.runtime.containers.options import Options
from lamina.runtime.errors import ContainerError


def test_variables_are_set_in_place_and_taken_away() -> None:
    assert process.merge_env(("A=1", "B=2"), ("A=3", "C=4", "B")) == ("A=3", "C=4")
    for bad in ("=x", "A=\0"):
        with pytest.raises(ContainerError):
            process.merge_env((), (bad,))


def test_capabilities_added_and_dropped() -> None:
    assert process.capabilities(Options(cap_drop=("ALL",), cap_add=("net_raw",))) == (
        ("CAP_NET_RAW",)
    )
    every = process.capabilities(Options(cap_add=("ALL",), cap_drop=("SYS_ADMIN",)))
    assert "CAP_SYS_ADMIN" not in every and "CAP_SYS_TIME" in every
    with pytest.raises(ContainerError):
        process.capabilities(Options(cap_add=("NONSENSE",)))
