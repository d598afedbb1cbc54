"""oci.archives.members: the files of an archive by name."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from lamina.oci.archives.members import (
    FolderMembers,
    TarMembers,
    check_name,
    read_member,
)
from lamina.oci.errors import InvalidArchive
from tests.oci.image_archives import tar


def members_of(tmp_path: Path, data: bytes) -> TarMembers:
    path = tmp_path / "archive.tar"
    path.write_bytes(data)
    return TarMembers(os.open(path, os.O_RDONLY))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_of_every_dialect(tmp_path: Path, form: int) -> None:
    names = ["short", "./dotted", "d/" * 60 + "long", "ü" * 80]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name.encode())
            archive.addfile(member, io.BytesIO(name.encode()))
    members = members_of(tmp_path, out.getvalue())
    for name in names:
        assert read_member(members, name.removeprefix("./"), 999) == name.encode()
    members.close()


def test_links_lead_to_what_is_in_the_archive(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, target in (
            ("d/symbolic", tarfile.SYMTYPE, "../file"),
            ("hard", tarfile.LNKTYPE, "file"),
            ("circle", tarfile.SYMTYPE, "circle"),
            ("out", tarfile.SYMTYPE, "../../etc/passwd"),
            ("file", tarfile.REGTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    members = members_of(tmp_path, out.getvalue())
    assert members.size("d/symbolic") == members.size("hard") == 0
    with pytest.raises(InvalidArchive, match="circle"):
        members.size("circle")
    with pytest.raises(InvalidArchive):
        members.size("out")
    members.close()


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../../x", "a\0b"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(InvalidArchive):
        check_name(name)


def test_a_name_comes_once(tmp_path: Path) -> None:
    twice = tar({"a": b"1"})[:1024] + tar({"a": b"2"})
    with pytest.raises(InvalidArchive, match="twice"):
        members_of(tmp_path, twice)


def test_a_header_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 30
    path = tmp_path / "archive.tar"
    path.write_bytes(member.tobuf(tarfile.USTAR_FORMAT))
    os.truncate(path, 1 << 31)
    with pytest.raises(InvalidArchive, match="1073741824"):
        TarMembers(os.open(path, os.O_RDONLY))


def test_a_large_document_is_not_read(tmp_path: Path) -> None:
    members = members_of(tmp_path, tar({"a": bytes(100)}))
    with pytest.raises(InvalidArchive, match="more than 99"):
        read_member(members, "a", 99)
    members.close()


def test_a_folder_holds_files_only(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"data")
    os.mkfifo(tmp_path / "pipe")
    members = FolderMembers(os.open(tmp_path, os.O_RDONLY))
    assert read_member(members, "file", 99) == b"data"
    assert "file" in members
    for name in ("folder", "pipe", "absent", "../file"):
        assert name not in members
    members.close()
