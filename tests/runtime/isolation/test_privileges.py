"""Names of capabilities and limits."""

from __future__ import annotations

import pytest

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.privileges import (
    CAPABILITIES,
    capability_names,
    capability_set,
    rlimit_number,
)
from lamina.runtime.spec import DEFAULT_CAPABILITIES


def test_names_in_any_spelling() -> None:
    assert capability_set(("chown", "CAP_KILL", "Net_Raw")) == 0b10_0000_0010_0001
    assert capability_set(DEFAULT_CAPABILITIES) == 0xA80425FB
    assert capability_set(("ALL",)) == (1 << len(CAPABILITIES)) - 1


def test_sets_back_to_names() -> None:
    names = capability_names(capability_set(DEFAULT_CAPABILITIES))
    assert set(names) == set(DEFAULT_CAPABILITIES)


def test_numbers_are_the_kernels() -> None:
    assert CAPABILITIES.index("SYS_ADMIN") == 21
    assert CAPABILITIES.index("CHECKPOINT_RESTORE") == 40
    assert rlimit_number("nofile") == rlimit_number("RLIMIT_NOFILE") == 7
    assert rlimit_number("rttime") == 15


def test_unknown_names() -> None:
    with pytest.raises(ContainerError, match="'CAP_FLY' is not a capability"):
        capability_set(("CAP_FLY",))
    with pytest.raises(ContainerError, match="'sky' is not a limit"):
        rlimit_number("sky")
