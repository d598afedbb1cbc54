"""oci.layers.skeleton: what was unpacked becomes the very same archive again."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.oci.errors import DigestMismatch
from lamina.oci.layers.skeleton import reassemble
from tests.oci.tars import device, directory, entry, hard_link, pax, raw, tar, unpack

pytestmark = pytest.mark.root


def again(archive: bytes, root: Path) -> bytes:
    """The archive after it went into `root` and came back."""
    skeleton = io.BytesIO()
    applied = unpack(archive, root, skeleton=skeleton)
    assert applied.diff_id == "sha256:" + hashlib.sha256(archive).hexdigest()
    skeleton.seek(0)
    out = io.BytesIO()
    reassemble(skeleton, str(root), out.write)
    return out.getvalue()


@pytest.mark.parametrize(
    "format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_archives_of_tarfile(tmp_path: Path, format: int) -> None:  # noqa: A002
    archive = tar(
        directory("./"),
        entry("./a", b"x" * 1000, uname="root", gname="root"),
        entry("empty", b""),
        hard_link("b", "./a"),
        entry(".wh.gone", b""),
        device("null", 1, 3),
        entry("large", os.urandom(1000) * 3000),
        entry("x" * 98, b"end"),
        format=format,
    )
    assert again(archive, tmp_path / "root") == archive


def test_oddities_are_kept(tmp_path: Path) -> None:
    """Padding that is not zero, ids of nobody, records nobody knows, a long end."""
    file = raw(b"f", content=b"x", uid=b" 12 \0", mtime=b"\x80" + bytes(11))
    archive = (
        pax((b"comment", b"hello"), kind=b"g")
        + pax((b"LAMINA.test", b"\0\xff"), (b"uname", b"nobody"))
        + file[:513]
        + b"padding!" * 63
        + b"7bytes!"
        + bytes(10240)
    )
    assert len(archive) % 512 == 0
    assert again(archive, tmp_path / "root") == archive


@pytest.mark.parametrize(
    "options",
    [
        ["--format=v7"],
        ["--format=oldgnu"],
        ["--format=gnu"],
        ["--format=ustar"],
        ["--format=posix", "--xattrs"],
        ["--format=gnu", "-S"],
        ["--format=posix", "-S", "--sparse-version=0.0"],
        ["--format=posix", "-S", "--sparse-version=0.1"],
        ["--format=posix", "-S", "--sparse-version=1.0"],
        ["--format=gnu", "-b", "1"],
    ],
)
def test_archives_of_gnu_tar(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "source"
    (source / "dir").mkdir(parents=True)
    chance = random.Random(1)
    for number in range(20):
        content = chance.randbytes(chance.randrange(5000))
        (source / f"dir/file{number}").write_bytes(content)
    os.link(source / "dir/file1", source / "dir/twin")
    os.symlink("dir/file1", source / "link")
    os.setxattr(source / "dir", "user.x", b"1")
    with open(source / "sparse", "wb") as file:
        for number in range(30):
            file.seek(number * 200_000)
            file.write(b"data" * 2000)
        file.truncate(7_000_001)
    command = ["tar", "-C", str(source), "-c", *options, "."]
    archive = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    assert again(archive, tmp_path / "root") == archive
    subprocess.run(["diff", "-r", source, tmp_path / "root"], check=True)


def test_what_is_missing_or_short_or_damaged_is_noticed(tmp_path: Path) -> None:
    skeleton = io.BytesIO()
    unpack(tar(entry("d/f", b"x" * 100)), tmp_path / "root", skeleton=skeleton)
    data = skeleton.getvalue()

    def fails(data: bytes) -> None:
        with pytest.raises(DigestMismatch):
            reassemble(io.BytesIO(data), str(tmp_path / "root"), lambda _: None)

    fails(data[:-5])
    fails(data[:20] + b"xxxx" + data[24:])
    fails(b"")
    os.truncate(tmp_path / "root/d/f", 99)
    fails(data)
    os.unlink(tmp_path / "root/d/f")
    fails(data)
    os.rmdir(tmp_path / "root/d")
    os.symlink("/", tmp_path / "root/d")
    fails(data)
