"""oci.files.replacing: a file is written whole or not at all, no device replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.oci.files.replacing import write_whole


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(str(path), b"one")
    before = path.stat().st_ino
    write_whole(str(path), b"two")
    assert path.read_bytes() == b"two"
    # Who reads the old one goes on with that.
    assert path.stat().st_ino != before
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    for text in (b"one", b"two"):
        write_whole(str(tmp_path / "link"), text)
        assert os.readlink(tmp_path / "link") == "file"
        assert (tmp_path / "file").read_bytes() == text


def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """As /dev/null, in the place of which a super-user would put a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(str(pipe), b"text")
    assert os.read(reader, 99) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_nothing_is_left_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("folder", "none/file"):
        with pytest.raises(OSError, match=name):
            write_whole(str(tmp_path / name), b"text")
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == []
