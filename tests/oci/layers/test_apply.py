"""oci.layers.apply: what an archive says is what lies in the directory afterwards."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.apply import Limits, apply
from tests.oci.tars import (
    ROOT,
    device,
    directory,
    entry,
    hard_link,
    pax,
    pieces,
    raw,
    symlink,
    tar,
    tree,
    unpack,
)

pytestmark = pytest.mark.root

SECOND = 10**9
TIME = 1_700_000_000 * SECOND


def test_every_kind_of_member(tmp_path: Path) -> None:
    archive = tar(
        directory("./"),
        directory("bin", mode=0o1777, uid=1, gid=2),
        entry("bin/sh", b"#!", mode=0o4755, uid=3, gid=4),
        symlink("sh", "bin/sh"),
        hard_link("bin/bash", "bin/sh"),
        entry("pipe", type=tarfile.FIFOTYPE, mode=0o622),
        device("null", 1, 3),
        device("disk", 254, 7, tarfile.BLKTYPE),
    )
    applied = unpack(archive, tmp_path / "root")
    found = tree(tmp_path / "root")
    file: tuple[object, ...] = (stat.S_IFREG, 0o4755, 3, 4, TIME, b"#!", 1, {})
    assert found == {
        b"bin": (stat.S_IFDIR, 0o1777, 1, 2, TIME, 0, 0, {}),
        b"bin/sh": file,
        b"bin/bash": file,
        b"sh": (stat.S_IFLNK, 0o777, 0, 0, TIME, b"bin/sh", 0, {}),
        b"pipe": (stat.S_IFIFO, 0o622, 0, 0, TIME, 0, 0, {}),
        b"null": (stat.S_IFCHR, 0o755, 0, 0, TIME, os.makedev(1, 3), 0, {}),
        b"disk": (stat.S_IFBLK, 0o755, 0, 0, TIME, os.makedev(254, 7), 0, {}),
    }
    assert applied.diff_id == "sha256:" + hashlib.sha256(archive).hexdigest()
    assert (applied.entries, applied.bytes, applied.skipped) == (8, 2, 0)


@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 4096])
def test_a_stream_may_come_in_pieces_of_any_size(tmp_path: Path, size: int) -> None:
    archive = tar(entry("a", b"x" * 5000), directory("d"), entry("d/b", b"y"))
    root = tmp_path / "root"
    root.mkdir()
    applied = apply(pieces(archive, [size] * 100), str(root), Limits(), "user", None)
    assert applied.diff_id == "sha256:" + hashlib.sha256(archive).hexdigest()
    assert (root / "a").read_bytes() == b"x" * 5000
    assert (root / "d/b").read_bytes() == b"y"


def test_a_large_stream_is_read_ahead(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 9
    archive = tar(*(entry(f"f{n}", content) for n in range(2)), entry("end", b"e"))
    applied = unpack(archive, tmp_path / "root")
    assert applied.diff_id == "sha256:" + hashlib.sha256(archive).hexdigest()
    assert (tmp_path / "root/f1").read_bytes() == content
    assert (tmp_path / "root/end").read_bytes() == b"e"


def test_an_error_of_the_reading_thread_is_raised(tmp_path: Path) -> None:
    stream = io.BytesIO(tar(entry("f", bytes(8 << 20)))[: 4 << 20])

    def read(size: int) -> bytes:
        if data := stream.read(size):
            return data
        raise InvalidArchive("The download stopped.")

    with pytest.raises(InvalidArchive, match="stopped"):
        apply(read, str(tmp_path), Limits(), "trusted", None)


def test_whiteouts_become_overlays_marks(tmp_path: Path) -> None:
    archive = tar(
        directory("etc"),
        entry("etc/.wh.passwd", b""),
        directory("opt"),
        entry("opt/.wh..wh..opq", b""),
        entry("opt/new", b""),
    )
    unpack(archive, tmp_path / "root")
    found = os.lstat(tmp_path / "root/etc/passwd")
    assert stat.S_ISCHR(found.st_mode)
    assert found.st_rdev == 0
    assert os.getxattr(tmp_path / "root/opt", "trusted.overlay.opaque") == b"y"
    assert sorted(os.listdir(tmp_path / "root/opt")) == ["new"]


def test_the_namespace_of_overlays_marks_is_the_stores(tmp_path: Path) -> None:
    archive = tar(directory("opt"), entry("opt/.wh..wh..opq", b""))
    apply(io.BytesIO(archive).read, str(tmp_path), Limits(), "user", None)
    assert os.listxattr(tmp_path / "opt") == ["user.overlay.opaque"]


def test_what_was_deleted_and_made_again(tmp_path: Path) -> None:
    """AUFS wrote both; a directory that was hidden must not show what was in it."""
    archive = tar(
        entry(".wh.file", b""),
        entry("file", b"new"),
        entry(".wh.dir", b""),
        directory("dir"),
        entry(".wh.deep", b""),
        entry("deep/file", b"new"),
        directory("after"),
        entry(".wh.after", b""),
        entry("kept", b"new"),
        entry(".wh.kept", b""),
    )
    root = tmp_path / "root"
    unpack(archive, root)
    assert (root / "file").read_bytes() == b"new"
    assert (root / "deep/file").read_bytes() == b"new"
    assert (root / "kept").read_bytes() == b"new"
    for name in ("dir", "deep", "after"):
        assert os.getxattr(root / name, "trusted.overlay.opaque") == b"y"


def test_a_directory_may_come_again_and_the_last_counts(tmp_path: Path) -> None:
    archive = tar(
        directory("d", mode=0o700, uid=5),
        entry("d/f", b""),
        directory("d", mode=0o2755, uid=6, mtime=5),
    )
    unpack(archive, tmp_path / "root")
    assert tree(tmp_path / "root")[b"d"][:5] == (stat.S_IFDIR, 0o2755, 6, 0, 5 * SECOND)


def test_directories_that_are_not_named_have_plain_attributes(tmp_path: Path) -> None:
    unpack(tar(entry("a/b/c", b"")), tmp_path / "root")
    assert tree(tmp_path / "root")[b"a/b"] == (stat.S_IFDIR, 0o755, 0, 0, 0, 0, 0, {})


def test_a_set_group_id_directory_passes_nothing_on(tmp_path: Path) -> None:
    archive = tar(
        directory("mail", mode=0o2775, gid=8),
        entry("mail/box", b""),
        directory("mail/dir"),
    )
    unpack(archive, tmp_path / "root")
    found = tree(tmp_path / "root")
    assert found[b"mail"][1:4] == (0o2775, 0, 8)
    assert found[b"mail/box"][1:4] == (0o644, 0, 0)
    assert found[b"mail/dir"][1:4] == (0o755, 0, 0)


def test_the_root_has_the_attributes_of_its_entry(tmp_path: Path) -> None:
    unpack(tar(directory("./", mode=0o700, uid=7, mtime=9)), tmp_path / "root")
    found = os.stat(tmp_path / "root")
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, 7)
    assert found.st_mtime == 9


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, mask: int) -> None:
    code = (
        "import os, sys; from lamina.oci.layers.apply import *\n"
        f"os.umask({mask})\n"
        "apply(sys.stdin.buffer.read, sys.argv[1], Limits(), 'trusted', None)"
    )
    archive = tar(
        directory("d", mode=0o777),
        entry("f", b"", mode=0o666),
        entry("p", type=tarfile.FIFOTYPE, mode=0o666),
    )
    command = [os.path.realpath(sys.executable), "-c", code, str(tmp_path)]
    subprocess.run(command, input=archive, check=True, env={"PYTHONPATH": str(ROOT)})
    modes = {name: found[1] for name, found in tree(tmp_path).items()}
    assert modes == {b"d": 0o777, b"f": 0o666, b"p": 0o666}


def test_attributes_binary_and_capabilities(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    file = entry("ping", b"x", uid=9, mode=0o755)
    records = pax(
        (b"SCHILY.xattr.security.capability", capability),
        (b"SCHILY.xattr.user.binary", b"a\n=\0\xff"),
        (b"SCHILY.xattr.user.odd%3Dname", b"1"),
        (b"SCHILY.xattr.security.selinux", b"system_u:object_r:bin_t:s0"),
    )
    unpack(tar(records, file), tmp_path / "root")
    assert tree(tmp_path / "root")[b"ping"][-1] == {
        "security.capability": capability,
        "user.binary": b"a\n=\0\xff",
        "user.odd=name": b"1",
    }


def test_times_have_the_fractions_that_pax_gives(tmp_path: Path) -> None:
    archive = tar(
        pax((b"mtime", b"12.000000345")),
        entry("a", b""),
        pax((b"mtime", b"-2.5")),
        entry("b", b""),
        entry("c", b"", mtime=1 << 33),
        format=tarfile.GNU_FORMAT,
    )
    unpack(archive, tmp_path / "root")
    times = {name: found[4] for name, found in tree(tmp_path / "root").items()}
    assert times == {
        b"a": 12 * SECOND + 345,
        b"b": -2_500_000_000,
        b"c": (1 << 33) * SECOND,
    }


def test_times_beyond_the_file_system_do_no_harm(tmp_path: Path) -> None:
    archive = tar(raw(b"f", mtime=b"\x80" + b"\x00" * 3 + b"\x7f" + b"\xff" * 7))
    unpack(archive, tmp_path / "root")
    assert (tmp_path / "root/f").exists()


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links(tmp_path: Path, format: int) -> None:  # noqa: A002
    name = "/".join("x" * 120 for _ in range(4))
    archive = tar(
        entry(name, b"1"),
        symlink("s", "y" * 300),
        hard_link("h", name),
        format=format,
    )
    unpack(archive, tmp_path / "root")
    assert (tmp_path / "root" / name).read_bytes() == b"1"
    assert os.readlink(tmp_path / "root/s") == "y" * 300
    assert os.path.samefile(tmp_path / "root/h", tmp_path / "root" / name)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    names = [b"\xff\xfe", "größe".encode(), b"new\nline", b"\x01", b"a.wh.b", b" "]
    unpack(tar(*(raw(name) for name in names)), tmp_path / "root")
    assert set(os.listdir(os.fsencode(tmp_path / "root"))) == set(names)


def test_old_archives(tmp_path: Path) -> None:
    """V7: no magic, type NUL, a directory is a name that ends with a slash."""
    archive = tar(
        raw(b"d/", b"\0", magic=b"\0" * 8, mode=b"0000755"),
        raw(b"d/f", b"\0", b"old", magic=b"\0" * 8),
        raw(b"c", b"7", b"contiguous"),
    )
    unpack(archive, tmp_path / "root")
    assert (tmp_path / "root/d/f").read_bytes() == b"old"
    assert (tmp_path / "root/c").read_bytes() == b"contiguous"


def test_general_pax_headers(tmp_path: Path) -> None:
    """`git archive` writes one with the commit; POSIX lets them set owners, too."""
    archive = tar(
        pax((b"comment", b"0123456789"), (b"uid", b"77"), kind=b"g"),
        entry("a", b""),
        pax((b"uid", b"78")),
        entry("b", b""),
    )
    unpack(archive, tmp_path / "root")
    assert [os.stat(tmp_path / "root" / n).st_uid for n in "ab"] == [77, 78]


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=1.0"],
    ],
)
def test_sparse_files_of_gnu_tar(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as file:
        for number in range(40):
            file.seek(number * 100_000)
            file.write(b"%d" % number * 3000)
        file.truncate(9_000_000)
    with open(source / "hole", "wb") as file:
        file.truncate(5_000_000)
    (source / "after").write_text("after")
    command = ["tar", "-C", str(source), "-cS", *options, "sparse", "hole", "after"]
    archive = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    assert len(archive) < 1_000_000
    unpack(archive, tmp_path / "root")
    for name in ("sparse", "hole", "after"):
        expected = (source / name).read_bytes()
        assert (tmp_path / "root" / name).read_bytes() == expected
    assert os.stat(tmp_path / "root/hole").st_blocks == 0


def test_an_ordinary_user_goes_without_devices(tmp_path: Path) -> None:
    """In a user namespace mknod works for whiteouts alone."""
    code = (
        "import io, sys; from lamina.oci.layers.apply import *\n"
        "data = sys.stdin.buffer.read()\n"
        "done = apply(io.BytesIO(data).read, sys.argv[1], Limits(), 'user', None)\n"
        "print(done.entries, done.skipped)"
    )
    archive = tar(
        device("null", 1, 3),
        hard_link("nil", "null"),
        entry("pipe", type=tarfile.FIFOTYPE),
        entry(".wh.gone", b""),
        directory("opt"),
        entry("opt/.wh..wh..opq", b""),
    )
    python = os.path.realpath(sys.executable)
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", python, "-c", code, str(tmp_path)],
        input=archive,
        check=True,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    assert done.stdout == b"6 2\n"
    found = tree(tmp_path)
    assert set(found) == {b"pipe", b"gone", b"opt"}
    assert found[b"gone"][:2] == (stat.S_IFCHR, 0o600)
    assert found[b"opt"][-1] == {"user.overlay.opaque": b"y"}


def _applied_in(count: int, place: Path, archive: bytes) -> bytes:
    """What is said of an archive that is unpacked in a user namespace with `count`
    ids, of which more than one take the super-user."""
    code = (
        "import sys; from lamina.oci.layers.apply import *\n"
        "from lamina.errors import LaminaError\n"
        "while not open('/proc/self/gid_map').read(): pass\n"
        "try: apply(sys.stdin.buffer.read, sys.argv[1], Limits(), 'user', None)\n"
        "except LaminaError as error: print(error, error.hint)"
    )
    flags = ("--map-root-user",) if count == 1 else ()
    command = (os.path.realpath(sys.executable), "-c", code, str(place))
    process = subprocess.Popen(
        ("unshare", "--user", *flags, *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    if count > 1:
        own = os.readlink("/proc/self/ns/user")
        while os.readlink(f"/proc/{process.pid}/ns/user") == own:
            time.sleep(0.01)
        for kind in ("uid", "gid"):
            Path(f"/proc/{process.pid}/{kind}_map").write_text(f"0 0 {count}")
    said, _ = process.communicate(archive)
    assert process.returncode == 0
    return said


@pytest.mark.root
def test_an_owner_that_is_not_mapped_is_explained(tmp_path: Path) -> None:
    said = _applied_in(5, tmp_path, tar(entry("mail", b"", gid=8)))
    assert b"'mail'" in said
    assert b"/etc/subuid" in said


def test_where_there_is_one_id_everything_is_its(tmp_path: Path) -> None:
    said = _applied_in(
        1,
        tmp_path,
        tar(entry("mail", b"", uid=5, gid=8), entry("d", kind=b"5", uid=7)),
    )
    assert said == b""
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()}
    assert owners == {(os.getuid(), os.getgid())}
