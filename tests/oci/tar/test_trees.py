"""A tree as a tar: what goes in, under which name."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from lamina.oci.tar.trees import TreeTar, Wanted


def packed(place: Path, name: str, shown: str, wanted: Wanted) -> tarfile.TarFile:
    parent = os.open(place, os.O_PATH | os.O_DIRECTORY)
    try:
        tree = TreeTar(parent, name, shown, wanted)
        data = b"".join(tree)
    finally:
        os.close(parent)
    assert tree.bytes == len(data)
    return tarfile.open(fileobj=io.BytesIO(data))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "d" / "inner").mkdir(parents=True)
    (tmp_path / "d" / "file").write_bytes(b"x" * 3_000_000)
    (tmp_path / "d" / "file").chmod(0o4750)
    os.link(tmp_path / "d" / "file", tmp_path / "d" / "twin")
    (tmp_path / "d" / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d" / "pipe")
    return tmp_path


def test_everything_is_there_under_its_new_name(place: Path) -> None:
    tar = packed(place, "d", "new", Wanted())
    kinds = {member.name: member.type for member in tar}
    assert kinds == {
        "new": tarfile.DIRTYPE,
        "new/file": tarfile.REGTYPE,
        "new/inner": tarfile.DIRTYPE,
        "new/link": tarfile.SYMTYPE,
        "new/pipe": tarfile.FIFOTYPE,
        "new/twin": tarfile.LNKTYPE,
    }
    assert tar.getmember("new/twin").linkname == "new/file"
    file = tar.extractfile("new/file")
    assert file is not None and file.read() == b"x" * 3_000_000
    assert tar.getmember("new/file").mode == 0o4750


def test_contents_alone_and_one_file(place: Path) -> None:
    names = packed(place / "d", ".", ".", Wanted()).getnames()
    assert names[:2] == [".", "./file"]
    assert packed(place / "d", "link", "l", Wanted()).getnames() == ["l"]


def test_rights_can_stay_behind(place: Path) -> None:
    tar = packed(place, "d", "d", Wanted(mode=0o1777))
    assert tar.getmember("d/file").mode == 0o750


def test_a_closed_directory_comes_without_its_files(place: Path) -> None:
    inner = (place / "d").stat().st_ino
    wanted = Wanted(closed=lambda fd: os.fstat(fd).st_ino == inner)
    assert packed(place, "d", "d", wanted).getnames() == ["d"]


@pytest.mark.root
def test_devices_can_be_left_out(place: Path) -> None:
    os.mknod(place / "d" / "null", 0o20666, os.makedev(1, 3))
    assert packed(place, "d", "d", Wanted()).getmember("d/null").devmajor == 1
    parent = os.open(place, os.O_PATH | os.O_DIRECTORY)
    tree = TreeTar(parent, "d", "d", Wanted(devices=False))
    assert b"d/null" not in b"".join(tree)
    assert tree.skipped == 1
    os.close(parent)


def test_attributes_by_their_names(place: Path) -> None:
    try:
        os.setxattr(place / "d" / "file", "user.kept", b"1")
    except OSError:
        pytest.skip("this file system has no attributes")
    tar = packed(place, "d", "d", Wanted(xattrs=("user.",)))
    assert tar.getmember("d/file").pax_headers["SCHILY.xattr.user.kept"] == "1"
    tar = packed(place, "d", "d", Wanted(xattrs=("security.capability",)))
    assert not tar.getmember("d/file").pax_headers
