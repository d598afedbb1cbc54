"""One at a time, until it is over or its process is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from lamina.oci.files.lock import Lock


def is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_a_file_is_made_and_held_for_a_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(str(path)):
        assert not is_free(path)
    assert is_free(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_is_held_until_it_is_let_go(tmp_path: Path) -> None:
    held = Lock.of_folder(str(tmp_path))
    assert not is_free(tmp_path)
    held.close()
    held.close()
    assert is_free(tmp_path)
    with pytest.raises(FileNotFoundError):
        Lock.of_folder(str(tmp_path / "missing"))
