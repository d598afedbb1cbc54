"""oci.layers.pack: one tree, one tar, whoever made it and in whatever order."""

from __future__ import annotations

import io
import os
import random
import socket
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.changeset import changes
from lamina.oci.layers.pack import Times, pack
from tests.oci.layers.packs import KEEP, names, packed
from tests.oci.tars import (
    pax,
)

pytestmark = pytest.mark.root

SECOND = 10**9


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, 0)


def test_a_header_is_byte_for_byte_this(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hi")
    os.chown(tmp_path / "hello", 10, 20)
    os.chmod(tmp_path / "hello", 0o4755)
    os.utime(tmp_path / "hello", ns=(0, 1_234_567_890_999_999_999))
    done, data = packed(tmp_path)
    head = (
        b"hello".ljust(100, b"\0")
        + b"0004755\x000000012\x000000024\x0000000000002\x0011145401322\0"
        + b"010273\0 0"
        + bytes(100)
        + b"ustar\x0000"
        + bytes(64)
        + b"0000000\x000000000\0"
        + bytes(167)
    )
    assert data == head + b"hi" + bytes(510) + bytes(1024)
    assert (done.entries, done.bytes) == (1, 2)


def test_an_empty_changeset(tmp_path: Path) -> None:
    done, data = packed(tmp_path)
    assert data == bytes(1024)
    # The digest of the empty layer that Docker made known.
    assert done.diff_id == done.content
    assert done.diff_id.startswith("sha256:5f70bf18a086007016e948b04aed3b82103a36be")


def test_every_kind_of_file_as_tarfile_reads_it(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir(mode=0o700)
    (tmp_path / "dir/file").write_bytes(b"x" * 1000)
    os.link(tmp_path / "dir/file", tmp_path / "twin")
    os.symlink("dir/file", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe", 0o600)
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o660, os.makedev(254, 300))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    done, data = packed(tmp_path)
    assert names(data) == ["dir", "dir/file", "disk", "link", "null", "pipe", "twin"]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        twin = archive.getmember("twin")
        assert (twin.type, twin.linkname, twin.size) == (b"1", "dir/file", 0)
        assert archive.getmember("link").linkname == "dir/file"
        disk = archive.getmember("disk")
        assert (disk.type, disk.devmajor, disk.devminor) == (b"4", 254, 300)
        file = archive.extractfile("dir/file")
        assert file is not None
        assert file.read() == b"x" * 1000
    assert (done.entries, done.bytes) == (7, 1000)


def test_names_come_in_bytewise_order_and_a_directory_before_its_files(
    tmp_path: Path,
) -> None:
    for name in ("b", "a-", "a.d", "Z", "ä", "a/z", "a/B"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert names(packed(tmp_path)[1]) == ["Z", "a", "a/B", "a/z", "a-", "a.d", "b", "ä"]


def test_overlays_marks_become_whiteouts(tmp_path: Path) -> None:
    (tmp_path / "!first").touch()
    whiteout(tmp_path / "zeta")
    whiteout(tmp_path / "alpha")
    (tmp_path / "dir").mkdir()
    os.setxattr(tmp_path / "dir", "trusted.overlay.opaque", b"y")
    os.setxattr(tmp_path / "dir", "trusted.overlay.origin", b"\0\1")
    os.setxattr(tmp_path / "dir", "user.overlay.opaque", b"y")
    (tmp_path / "dir/!file").touch()
    done, data = packed(tmp_path)
    assert names(data) == [
        *(".wh.alpha", ".wh.zeta", "!first"),
        *("dir", "dir/.wh..wh..opq", "dir/!file"),
    ]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        mark = archive.getmember(".wh.alpha")
        assert (mark.type, mark.mode, mark.uid, mark.mtime) == (b"0", 0o600, 0, 0)
        assert archive.getmember("dir").pax_headers == {}
    assert done.entries == 6


def test_opaque_counts_in_the_stores_namespace_only(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    os.setxattr(tmp_path / "dir", "user.overlay.opaque", b"y")
    assert names(packed(tmp_path)[1]) == ["dir"]
    out = io.BytesIO()
    pack(str(tmp_path), KEEP, out.write, "user")
    assert names(out.getvalue()) == ["dir", "dir/.wh..wh..opq"]


def test_whiteouts_that_share_an_inode(tmp_path: Path) -> None:
    """overlayfs links its whiteouts together."""
    whiteout(tmp_path / "a")
    os.link(tmp_path / "a", tmp_path / "b")
    assert names(packed(tmp_path)[1]) == [".wh.a", ".wh.b"]


def test_a_file_that_would_read_as_a_whiteout(tmp_path: Path) -> None:
    (tmp_path / ".wh.evil").touch()
    with pytest.raises(InvalidArchive, match=r"\.wh\.evil"):
        pack(str(tmp_path), KEEP, None, "trusted")


def test_attributes_that_are_the_files_own(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    file = tmp_path / "file"
    file.touch()
    os.setxattr(file, "security.capability", capability)
    os.setxattr(file, "user.binary", b"\xff\n=\0")
    os.setxattr(file, "user.odd=%name", b"1")
    os.setxattr(file, "trusted.mine", b"2")
    os.setxattr(file, "security.other", b"host")
    os.setxattr(file, "trusted.overlay.origin", b"3")
    _, data = packed(tmp_path)
    assert (
        data[512:1024]
        == pax(
            (b"SCHILY.xattr.security.capability", capability),
            (b"SCHILY.xattr.trusted.mine", b"2"),
            (b"SCHILY.xattr.user.binary", b"\xff\n=\0"),
            (b"SCHILY.xattr.user.odd%3D%25name", b"1"),
        )[512:]
    )


def test_what_ustar_cannot_say_is_in_pax_records(tmp_path: Path) -> None:
    long = "x" * 90 + "/" + "y" * 99
    longer = "x" * 90 + "/" + "y" * 101
    (tmp_path / ("x" * 90)).mkdir()
    for name in (long, longer, "größe", os.fsdecode(b"\xff\xfe")):
        (tmp_path / name).touch()
    os.symlink("z" * 101, tmp_path / "link")
    os.chown(tmp_path / "größe", 3_000_000, 4_000_000)
    os.utime(tmp_path / "link", (-5, -5), follow_symlinks=False)
    _, data = packed(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {member.name: member for member in archive}
    assert set(found) == {
        *("x" * 90, long, longer, "größe", os.fsdecode(b"\xff\xfe"), "link"),
    }
    assert found[long].pax_headers == {}
    assert set(found[longer].pax_headers) == {"path"}
    assert set(found["größe"].pax_headers) == {"path", "uid", "gid"}
    assert (found["größe"].uid, found["größe"].gid) == (3_000_000, 4_000_000)
    assert set(found["link"].pax_headers) == {"linkpath", "mtime"}
    assert found["link"].mtime == -5


def test_gnu_tar_finds_no_difference(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / ("b" * 200)).mkdir(parents=True)
    (source / "a" / ("b" * 200) / "größe").write_bytes(os.urandom(3_000_000))
    os.chmod(source / "a", 0o3771)
    os.chown(source / "a", 5, 6)
    os.symlink("x" * 200, source / "link")
    os.link(source / "a" / ("b" * 200) / "größe", source / "twin")
    os.setxattr(source / "twin", "user.x", b"1\n2")
    os.utime(source / "twin", (7, 7))
    archive = tmp_path / "archive.tar"
    archive.write_bytes(packed(source)[1])
    subprocess.run(["tar", "-C", source, "--xattrs", "-df", archive], check=True)


def test_the_epoch_and_what_follows_it(tmp_path: Path) -> None:
    times = {"old": 50, "between": 150, "step": 300, "copied": 999}
    for name, seconds in times.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(0, seconds * SECOND + 5))

    def of(rule: Times) -> dict[str, int]:
        with tarfile.open(fileobj=io.BytesIO(packed(tmp_path, rule)[1])) as archive:
            return {member.name: int(member.mtime) for member in archive}

    assert of(KEEP) == times
    # Since 300 s the step wrote; older files are clamped, younger ones set.
    assert of(Times(100, 300 * SECOND)) == {
        **{"old": 50, "between": 100, "step": 100, "copied": 100}
    }
    assert of(Times(500, 300 * SECOND)) == {
        **{"old": 50, "between": 150, "step": 500, "copied": 500}
    }
    assert of(Times(500, 0)) == dict.fromkeys(times, 500)


def test_content_is_the_tar_without_times(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    first, data = packed(tmp_path)
    os.utime(tmp_path / "file", (0, 0))
    second, timeless = packed(tmp_path)
    assert data != timeless
    assert first.diff_id != second.diff_id
    assert first.content == second.content == second.diff_id
    os.utime(tmp_path / "file", (-1, -1))  # a time that needs a pax record
    assert packed(tmp_path)[0].content == first.content
    os.chmod(tmp_path / "file", 0o600)
    assert packed(tmp_path)[0].content != first.content


def test_a_large_tree_is_digested_in_threads(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}").write_bytes(os.urandom(10) * 130_001)
        (tmp_path / f"small{number}").write_bytes(b"x" * number)
    done, data = packed(tmp_path)
    assert len(data) > 12 << 20
    zero = Times(0, 0)
    assert packed(tmp_path, zero)[0].diff_id == done.content


def test_the_order_of_making_does_not_matter(tmp_path: Path) -> None:
    files = [f"d{n % 5}/f{n}" for n in range(60)]
    digests = set()
    for seed in range(3):
        root = tmp_path / str(seed)
        random.Random(seed).shuffle(files)
        for name in files:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            os.utime(path, (1, 1))
        for folder in root.iterdir():
            os.utime(folder, (1, 1))
        digests.add(packed(root)[0].diff_id)
    assert len(digests) == 1


def test_a_change_is_listed(tmp_path: Path) -> None:
    whiteout(tmp_path / "gone")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/file").touch()
    (tmp_path / "hidden").mkdir()
    os.setxattr(tmp_path / "hidden", "trusted.overlay.opaque", b"y")
    assert [(c.path, c.kind) for c in changes(str(tmp_path), "trusted")] == [
        ("gone", "deleted"),
        ("dir", "directory"),
        ("dir/file", "file"),
        ("hidden", "opaque"),
    ]


def test_an_error_of_the_reader_is_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(20 << 20))

    def write(data: bytes) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        pack(str(tmp_path), KEEP, write, "trusted")


def test_what_vanishes_meanwhile_is_left_out(tmp_path: Path) -> None:
    """A container that runs may be committed; `write` removes what comes later."""
    (tmp_path / "a").write_bytes(bytes(2 << 20))
    (tmp_path / "b").touch()
    (tmp_path / "c/d").mkdir(parents=True)

    def write(_: bytes) -> None:
        if (tmp_path / "b").exists():
            (tmp_path / "b").unlink()
            (tmp_path / "c/d").rmdir()
            (tmp_path / "c").rmdir()

    assert pack(str(tmp_path), KEEP, write, "trusted").entries == 1


def test_nothing_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.wh.x").touch()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(InvalidArchive):
        pack(str(tmp_path), KEEP, None, "trusted")
    (tmp_path / "d/.wh.x").rename(tmp_path / ".wh.x")
    with pytest.raises(InvalidArchive):
        pack(str(tmp_path), KEEP, None, "trusted")
    assert os.listdir("/proc/self/fd") == before
