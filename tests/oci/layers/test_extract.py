"""oci.layers.extract: an archive over what is there, as `tar -x` does it for root."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.extract import Extracted, Overrides, extract
from tests.oci.tars import (
    ROOT,
    Member,
    device,
    directory,
    entry,
    hard_link,
    symlink,
    tar,
    tree,
)

pytestmark = pytest.mark.root

SECOND = 10**9
NONE = Overrides()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root as an image has it, with a merged /usr."""
    place = tmp_path / "root"
    (place / "usr/lib").mkdir(parents=True)
    (place / "etc").mkdir()
    (place / "etc/conf").write_text("old")
    os.symlink("usr/lib", place / "lib")
    os.symlink("/usr", place / "absolute")
    yield place
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def add(
    root: Path, *members: Member | bytes, dest: str = "/", overrides: Overrides = NONE
) -> Extracted:
    fd = os.open(root, os.O_PATH)
    try:
        return extract(io.BytesIO(tar(*members)).read, fd, dest, overrides)
    finally:
        os.close(fd)


def test_every_kind_with_its_attributes(root: Path) -> None:
    done = add(
        root,
        directory("./"),
        directory("d", mode=0o2751, uid=1, gid=2, mtime=5),
        entry("d/f", b"x", mode=0o4711, uid=3, gid=4, mtime=6),
        hard_link("d/h", "d/f"),
        symlink("d/s", "f"),
        device("d/null", 1, 3),
        dest="opt/new",
    )
    found = tree(root / "opt/new")
    assert found[b"d"][:5] == (stat.S_IFDIR, 0o2751, 1, 2, 5 * SECOND)
    assert found[b"d/f"][:7] == (
        *(stat.S_IFREG, 0o4711, 3, 4, 6 * SECOND),
        *(b"x", 1),
    )
    assert found[b"d/h"] == found[b"d/f"]
    assert found[b"d/s"][5] == b"f"
    assert found[b"d/null"][5] == os.makedev(1, 3)
    assert done == Extracted(6, 1, 0)


def test_an_empty_archive_makes_its_destination(root: Path) -> None:
    add(root, dest="/a/b/../c/")
    assert os.listdir(root / "a") == ["c"]


def test_files_are_replaced_and_not_written_into(root: Path) -> None:
    os.link(root / "etc/conf", root / "etc/twin")
    os.symlink("conf", root / "etc/link")
    add(root, entry("etc/conf", b"new"), entry("etc/link", b"file"))
    assert (root / "etc/conf").read_text() == "new"
    assert (root / "etc/twin").read_text() == "old"
    assert (root / "etc/link").read_text() == "file"
    assert not (root / "etc/link").is_symlink()


def test_the_last_of_two_names_counts(root: Path) -> None:
    add(
        root,
        *(entry("a", b"1"), entry("a", b"2")),
        *(entry("b", b"1"), directory("b"), entry("b/f", b"2")),
        *(directory("c"), entry("c/f", b"1"), entry("c", b"2")),
        *(symlink("d", "c"), hard_link("d", "a")),
    )
    assert (root / "a").read_text() == "2"
    assert (root / "b/f").read_text() == "2"
    assert (root / "c").read_text() == "2"
    assert os.path.samefile(root / "d", root / "a")


def test_a_file_replaces_a_full_directory(root: Path) -> None:
    add(root, entry("usr/lib/x/y", b""), entry("usr", b"file"), entry("usr2/f", b""))
    assert (root / "usr").read_text() == "file"


def test_a_directory_that_is_there_keeps_its_files(root: Path) -> None:
    add(root, directory("etc", mode=0o700, uid=9), entry("etc/more", b""))
    found = tree(root)
    assert found[b"etc"][1:3] == (0o700, 9)
    assert (root / "etc/conf").read_text() == "old"


def test_a_directory_joins_one_behind_a_link(root: Path) -> None:
    add(root, directory("lib", mode=0o700), entry("lib/x.so", b"1"))
    add(root, entry("absolute/lib/y.so", b"2"))
    assert os.readlink(root / "lib") == "usr/lib"
    assert sorted(os.listdir(root / "usr/lib")) == ["x.so", "y.so"]
    assert tree(root)[b"usr/lib"][1] == 0o755


def test_the_destination_may_be_behind_a_link(root: Path) -> None:
    add(root, entry("f", b"1"), dest="/absolute/lib")
    assert (root / "usr/lib/f").read_text() == "1"


def test_a_link_to_nowhere_is_no_directory(root: Path) -> None:
    os.symlink("missing", root / "broken")
    with pytest.raises(InvalidArchive, match="broken"):
        add(root, entry("broken/f", b""))
    add(root, directory("broken"), entry("broken/f", b""))
    assert (root / "broken/f").exists()


def test_a_file_is_no_directory(root: Path) -> None:
    with pytest.raises(Exception, match="etc/conf/f"):
        add(root, entry("etc/conf/f", b""))


def test_names_from_the_root(root: Path) -> None:
    add(root, entry("/etc/conf", b"new"), hard_link("/etc/h", "/etc/conf"))
    assert (root / "etc/h").read_text() == "new"


def test_owner_and_time_may_be_given(root: Path) -> None:
    given = Overrides(owner=(7, 8), mtime=9 * SECOND)
    add(
        root,
        directory("d", uid=1),
        entry("d/f", b"", uid=2),
        symlink("d/s", "f"),
        entry("new/f", b""),
        overrides=given,
    )
    found = tree(root)
    for name in (b"d", b"d/f", b"d/s", b"new/f"):
        assert found[name][2:5] == (7, 8, 9 * SECOND)
    assert found[b"new"][2:4] == (7, 8)
    assert found[b"etc"][2:4] == (0, 0)


def test_a_set_group_id_directory_passes_nothing_on(root: Path) -> None:
    os.chown(root / "etc", 0, 50)
    os.chmod(root / "etc", 0o2775)
    add(root, entry("etc/f", b""), directory("etc/d"), entry("etc/e/f", b""))
    found = tree(root)
    assert found[b"etc/f"][3] == 0
    assert found[b"etc/d"][1:4] == found[b"etc/e"][1:4] == (0o755, 0, 0)


def test_long_chains(root: Path) -> None:
    chain = "/".join("a" for _ in range(1500))
    add(root, entry(chain + "/f", b"x"), entry(chain[:-2] + "/g", b"y"))
    subprocess.run(["rm", "-rf", str(root / "a")], check=True)


def test_into_an_overlay(root: Path, tmp_path: Path) -> None:
    """ADD unpacks into the merged view of the layers below."""
    code = """if True:
        import io, os, subprocess, sys
        from lamina.oci.layers.extract import extract
        base = sys.argv[1]
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
        for name in ("lower/etc", "upper", "work", "merged"):
            os.makedirs(f"{base}/{name}")
        open(f"{base}/lower/etc/conf", "w").close()
        os.makedirs(f"{base}/lower/full/of")
        options = "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work"
        command = ["mount", "-t", "overlay", "overlay", "-o", options.format(base)]
        subprocess.run([*command, f"{base}/merged"], check=True)
        fd = os.open(f"{base}/merged", os.O_PATH)
        extract(sys.stdin.buffer.read, fd, "/")
        print(sorted(os.listdir(f"{base}/merged")))
        print(open(f"{base}/upper/etc/conf").read(), os.lstat(f"{base}/upper/full"))
    """
    archive = tar(entry("etc/conf", b"new"), entry("full", b"file"), directory("d"))
    place = root / "overlay"
    place.mkdir()
    done = subprocess.run(
        [
            *("unshare", "--mount", os.path.realpath(sys.executable)),
            *("-c", code, str(place)),
        ],
        input=archive,
        check=True,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    assert done.stdout.startswith(b"['d', 'etc', 'full']\nnew os.stat_result")


def test_other_users_keep_what_they_unpack(root: Path) -> None:
    """`-o type=local` of somebody who is not root."""
    code = (
        "import os, sys; from lamina.oci.layers.extract import extract\n"
        "fd = os.open(sys.argv[1], os.O_PATH)\n"
        "os.setgroups([]); os.setgid(1000); os.setuid(1000)\n"
        "print(extract(sys.stdin.buffer.read, fd, '/'))"
    )
    place = root / "home"
    place.mkdir()
    os.chown(place, 1000, 1000)
    members = (directory("d", uid=5), entry("d/f", b"x", gid=5), device("null", 1, 3))
    done = subprocess.run(
        [os.path.realpath(sys.executable), "-c", code, str(place)],
        input=tar(*members),
        check=True,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert b"skipped=1" in done.stdout
    found = tree(place)
    assert found[b"d"][2:4] == found[b"d/f"][2:4] == (1000, 1000)
