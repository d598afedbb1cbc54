"""The values that say what to run."""

from __future__ import annotations

import pytest

from lamina.runtime.spec import DEFAULT_CAPABILITIES, DEFAULT_MOUNTS, Process, Spec
from lamina.values import replace


def test_the_defaults_are_dockers() -> None:
    spec = Spec(Process(("true",)))
    assert len(DEFAULT_CAPABILITIES) == 14
    assert spec.process.capabilities == DEFAULT_CAPABILITIES
    assert spec.process.umask == 0o022
    assert not spec.process.no_new_privileges
    assert [mount.destination for mount in spec.mounts] == [
        "/proc",
        "/dev",
        "/dev/pts",
        "/dev/shm",
        "/dev/mqueue",
        "/sys",
        "/sys/fs/cgroup",
    ]
    assert all("nosuid" in mount.options for mount in DEFAULT_MOUNTS)
    assert {"/proc/kcore", "/sys/firmware"} <= set(spec.masked_paths)
    assert "/proc/sys" in spec.readonly_paths


def test_specs_are_values() -> None:
    spec = Spec(Process(("true",)))
    other = replace(spec, hostname="other")
    assert (spec.hostname, other.hostname) == ("", "other")
    assert replace(other, hostname="") == spec
    with pytest.raises(AttributeError, match="frozen"):
        spec.hostname = "x"  # type: ignore[misc]
