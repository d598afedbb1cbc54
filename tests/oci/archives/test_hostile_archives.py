"""Archives that want out of their place.

Each is refused by `apply` (a layer) and, where it is no matter of layers, by
`extract` (ADD) too, with a sentence; and what lies beside the root is as before.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.apply import Limits, apply
from lamina.oci.layers.extract import extract
from lamina.oci.layers.pack import Times, pack
from tests.oci.archives.hostile import EVIL, refuse, up
from tests.oci.tars import (
    Member,
    device,
    directory,
    entry,
    hard_link,
    pax,
    raw,
    symlink,
    tar,
)

pytestmark = pytest.mark.root


# Names


@pytest.mark.parametrize(
    "name",
    ["../file", "a/../../file", "..", "a/..", "./../file", "a/../b", "/file", "//file"],
)
def test_names_that_lead_out(root: Path, name: str) -> None:
    """CVE-2007-4559, CVE-2014-9356."""
    said = refuse(tar(directory("a"), entry(name, EVIL)), root)
    assert "`..`" in said or "absolute" in said


def test_an_absolute_name_of_a_canary(root: Path) -> None:
    refuse(tar(entry(str(root.parent / "file"), EVIL)), root)
    refuse(tar(entry(up(root) + "/file", EVIL)), root)
    refuse(tar(pax((b"path", b"../file")), entry("file", EVIL)), root)
    refuse(tar(directory("../dir", mode=0)), root)
    refuse(tar(symlink("../link", "x")), root)
    refuse(tar(hard_link("../link", "x")), root)
    refuse(tar(device("../null", 1, 3)), root)


@pytest.mark.parametrize("name", [".", "./", "", "./."])
def test_a_root_that_is_no_directory(root: Path, name: str) -> None:
    """CVE-2021-29136: an entry for the root itself."""
    refuse(tar(symlink(name, str(root.parent / "dir")), entry("file", EVIL)), root)
    refuse(tar(entry(name, EVIL)), root)


def test_a_name_with_a_nul_byte(root: Path) -> None:
    assert "NUL" in refuse(tar(pax((b"path", b"a\0b")), entry("f", EVIL)), root)
    assert "NUL" in refuse(tar(pax((b"linkpath", b"a\0b")), symlink("f", "x")), root)


def test_a_path_of_four_kilobytes(root: Path) -> None:
    """CVE-2025-4517: a path that is cut where it is checked."""
    chain = "/".join("a" for _ in range(3000))
    assert "path" in refuse(tar(directory(chain)), root)
    assert "too long" in refuse(tar(entry("x" * 256, b"")), root)


def test_a_deep_path_is_no_harm(root: Path) -> None:
    """Deeper than Python's recursion and than the descriptors that are kept open."""
    chain = "/".join("a" for _ in range(1900))
    archive = tar(entry(chain + "/f", b"x"), entry(chain[:-2] + "/g", b"y"))
    apply(io.BytesIO(archive).read, str(root), Limits(), "trusted", None)
    packed = pack(str(root), Times(None, 0), None, "trusted")
    assert packed.entries == 1902
    subprocess.run(["rm", "-rf", str(root / "a")], check=True)


# Links


@pytest.mark.parametrize("target", ["..", "../dir", "/", ".", "/dir", "../../canary"])
def test_a_file_through_a_link(root: Path, target: str) -> None:
    """CVE-2014-6407, CVE-2025-4517: a link, and a file through it."""
    said = refuse(tar(symlink("link", target), entry("link/file", EVIL)), root)
    assert "no directory" in said
    assert not os.path.lexists(root / "file")


def test_every_kind_of_member_through_a_link(root: Path) -> None:
    link = symlink("link", str(root.parent / "dir"))
    for member in (
        directory("link/new"),
        symlink("link/new", "x"),
        device("link/new", 1, 3),
        hard_link("link/new", "link"),
        entry("link/new/deep/er", EVIL),
        entry("link/.wh.file", b""),
        entry("link/.wh..wh..opq", b""),
    ):
        refuse(tar(link, member), root)
        os.unlink(root / "link")


def test_a_link_to_a_link(root: Path) -> None:
    archive = tar(
        symlink("a", "b"),
        symlink("b", str(root.parent / "dir")),
        entry("a/file", EVIL),
    )
    refuse(archive, root)


def test_a_link_in_the_place_of_a_directory(root: Path) -> None:
    """The descriptor of a directory is kept; the name must not change meanwhile."""
    archive = tar(
        directory("d"),
        entry("d/f", b""),
        symlink("d", str(root.parent / "dir")),
        entry("d/file", EVIL),
    )
    assert "twice" in refuse(archive, root)


def test_a_file_over_a_link(root: Path) -> None:
    archive = tar(symlink("f", str(root.parent / "file")), entry("f", EVIL))
    assert "twice" in refuse(archive, root)


def test_hard_links_to_what_is_outside(root: Path) -> None:
    """CVE-2021-32760: whose mode or owner would be changed."""
    for target in (
        "../file",
        str(root.parent / "file"),
        up(root) + "/file",
        "missing",
        "",
        ".",
        "/",
        "d",
        "d/../../file",
    ):
        refuse(tar(directory("d"), hard_link("link", target)), root)
        os.rmdir(root / "d")


def test_a_hard_link_through_a_link(root: Path) -> None:
    archive = tar(symlink("l", str(root.parent)), hard_link("h", "l/file"))
    refuse(archive, root)
    os.unlink(root / "l")
    # To the link itself it is a plain second name of the link.
    archive = tar(symlink("l", str(root.parent / "file")), hard_link("h", "l"))
    apply(io.BytesIO(archive).read, str(root), Limits(), "trusted", None)
    assert os.readlink(root / "h") == str(root.parent / "file")


def test_a_hard_link_to_a_later_file(root: Path) -> None:
    refuse(tar(hard_link("h", "f"), entry("f", EVIL)), root)


def test_a_hard_link_to_a_whiteout(root: Path) -> None:
    refuse(tar(entry(".wh.f", b""), hard_link("h", "f")), root)


# Duplicates


@pytest.mark.parametrize(
    "first", [entry("x", b"1"), symlink("x", "y"), device("x", 1, 3)]
)
@pytest.mark.parametrize(
    "second", [entry("x", b"2"), symlink("./x", "z"), directory("x"), device("x", 1, 5)]
)
def test_duplicate_names(root: Path, first: Member, second: Member) -> None:
    assert "twice" in refuse(tar(first, second), root)


def test_a_file_in_the_place_of_a_directory(root: Path) -> None:
    assert "twice" in refuse(tar(directory("x"), entry("x", b"")), root)
    os.rmdir(root / "x")
    assert "no directory" in refuse(tar(entry("x", b""), entry("x/y", b"")), root)


# Whiteouts and overlay's own marks


@pytest.mark.parametrize(
    "name",
    [
        ".wh.",
        ".wh..",
        ".wh...",
        "a/.wh.",
        "a/.wh..",
        "a/.wh...",
        ".wh..wh.x",
        ".wh..wh.",
        ".wh..wh.plnk",
        "a/.wh./x",
        ".wh.a/x",
        ".wh..wh..opq/x",
    ],
)
def test_whiteouts_that_name_no_file(root: Path, name: str) -> None:
    assert "whiteout" in refuse(tar(directory("a"), entry(name, b"")), root)


def test_whiteouts_that_are_no_empty_file(root: Path) -> None:
    for member in (
        entry(".wh.x", EVIL),
        directory(".wh.x"),
        symlink(".wh.x", "y"),
        entry(".wh..wh..opq", EVIL),
        directory(".wh..wh..opq"),
    ):
        assert "whiteout" in refuse(tar(member), root)


def test_a_whiteout_beside_or_below_another(root: Path) -> None:
    assert "twice" in refuse(tar(entry(".wh.x", b""), entry(".wh.x", b"")), root)


@pytest.mark.parametrize(
    "key",
    [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "trusted.overlay.metacopy",
        "user.overlay.opaque",
        "user.overlay.whiteout",
    ],
)
def test_overlays_own_attributes(root: Path, key: str) -> None:
    records = pax((b"SCHILY.xattr." + key.encode(), b"y"))
    assert "overlayfs" in refuse(tar(records, directory("d")), root)
    os.rmdir(root / "d")
    assert "overlayfs" in refuse(tar(records, entry("f", b"")), root)


def test_the_device_that_means_deleted(root: Path) -> None:
    assert "0:0" in refuse(tar(device("x", 0, 0)), root)
    # mknod would cut these to 12 and 20 bits, and make 0:0 of them.
    refuse(tar(raw(b"x", b"3", major=b"%07o" % (1 << 12))), root)
    refuse(tar(raw(b"x", b"3", minor=b"%07o" % (1 << 20))), root)


# ADD: what is refused there, and what is not


@pytest.mark.parametrize(
    "members",
    [
        (entry("../file", EVIL),),
        (entry("a/../../file", EVIL),),
        (hard_link("h", "../file"),),
        (hard_link("h", "missing"),),
        (entry(".", EVIL),),
        (entry(".wh.x", b""),),
        (device("x", 0, 0),),
        (pax((b"SCHILY.xattr.trusted.overlay.opaque", b"y")), directory("d")),
        (entry("f", b"x"), raw(b"x", b"V")),
    ],
)
def test_archives_that_add_refuses(root: Path, members: tuple[Member, ...]) -> None:
    fd = os.open(root, os.O_PATH)
    try:
        with pytest.raises(InvalidArchive):
            extract(io.BytesIO(tar(*members)).read, fd, "/")
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "target", ["/", "..", "../../../..", "/canary", "../dir", "/proc/self/root"]
)
def test_links_stay_in_the_root(root: Path, target: str) -> None:
    """`extract` follows links, as `tar` does, but the root is the image's."""
    archive = tar(
        symlink("link", target),
        entry("link/file", EVIL),
        directory("link/dir", mode=0),
        entry("link/dir/file", EVIL),
        hard_link("link/twin", "link/file"),
        entry("link/pipe", type=tarfile.FIFOTYPE),
    )
    fd = os.open(root, os.O_PATH)
    try:
        extract(io.BytesIO(archive).read, fd, "/")
    except InvalidArchive:
        pass  # it led nowhere
    finally:
        os.close(fd)


def test_names_from_the_root_are_below_the_destination(root: Path) -> None:
    archive = tar(entry(str(root.parent / "file"), EVIL))
    fd = os.open(root, os.O_PATH)
    extract(io.BytesIO(archive).read, fd, "/opt")
    os.close(fd)
    assert (root / f"opt/{root.parent}/file").read_bytes() == EVIL
