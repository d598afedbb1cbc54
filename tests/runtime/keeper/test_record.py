"""What a keeper writes down, also where the disk has no room for it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.keeper import record


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A container's place with a state, on a disk that was filled since."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=256k", "t", disk), check=True)
    try:
        record.write_state(str(disk), {"status": "running"})
        record.reserve(str(disk))
        with open(disk / "filling", "wb", 0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)
        yield disk
    finally:
        subprocess.run(("umount", "-l", disk), check=True)


@pytest.mark.root
def test_a_full_disk_has_room_for_a_state(full: Path) -> None:
    (full / "more").touch()
    with pytest.raises(OSError, match="No space left"):
        (full / "more").write_bytes(b"x")
    for status in ("exited", "exited and given back"):
        record.write_state(str(full), {"status": status, "long": "x" * 5000})
        found = json.loads((full / "state.json").read_text())
        assert found["status"] == status
    assert not [name for name in os.listdir(full) if name.endswith(".new")]


@pytest.mark.root
def test_without_a_spare_the_state_before_stays(full: Path) -> None:
    (full / "state.spare").rename(full / "elsewhere")
    with pytest.raises(OSError) as found:
        record.write_state(str(full), {"status": "x" * 300_000})
    assert found.value.errno == errno.ENOENT
    assert json.loads((full / "state.json").read_text()) == {"status": "running"}


def test_a_state_replaces_the_one_before(tmp_path: Path) -> None:
    record.reserve(str(tmp_path))
    for status in ("running", "exited"):
        record.write_state(str(tmp_path), {"status": status})
    assert json.loads((tmp_path / "state.json").read_text()) == {"status": "exited"}
    assert sorted(os.listdir(tmp_path)) == ["state.json", "state.spare"]
