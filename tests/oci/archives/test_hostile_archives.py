"""Archives that want out of their place, or more than their share.

Each is refused by `apply` (a layer) and, where it is no matter of layers, by
`extract` (ADD) too, with a sentence; and what lies beside the root is as before.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.oci.errors import InvalidArchive, StoreError
from lamina.oci.layers.apply import Limits, apply
from lamina.oci.layers.extract import extract
from lamina.oci.layers.pack import Times, pack
from lamina.oci.streams.compression import compressor, open_stream
from lamina.oci.streams.decompress import Bounds
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
    tree,
)

pytestmark = pytest.mark.root

EVIL = b"evil"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root to unpack into, between files that must not change."""
    place = tmp_path / "canary" / "root"
    place.mkdir(parents=True)
    (tmp_path / "canary/file").write_text("mine")
    (tmp_path / "canary/dir").mkdir()
    (tmp_path / "canary/dir/file").write_text("mine")
    before = {k: v for k, v in tree(tmp_path).items() if b"root" not in k}
    yield place
    after = {k: v for k, v in tree(tmp_path).items() if b"root" not in k}
    assert after == before


def refuse(archive: bytes, root: Path, limits: Limits | None = None) -> str:
    """What `apply` says against an archive; it leaves nothing open."""
    files = set(os.listdir("/proc/self/fd"))
    with pytest.raises(InvalidArchive) as caught:
        apply(io.BytesIO(archive).read, str(root), limits or Limits(), "trusted", None)
    assert set(os.listdir("/proc/self/fd")) <= files
    return caught.value.message


def up(root: Path) -> str:
    """A way out of the root that works whatever its depth is."""
    return "../" * 30 + str(root.parent)


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


# Sizes and limits


def test_sizes_that_cannot_be(root: Path) -> None:
    refuse(tar(raw(b"f", size=b"\xff" * 12)), root)
    refuse(tar(raw(b"f", size=b"-0000000001")), root)
    refuse(tar(raw(b"f", size=b"0x000000010")), root)
    refuse(tar(raw(b"f", size=b"1_000")), root)
    refuse(tar(raw(b"f", size=b"00000000089")), root)
    refuse(tar(raw(b"f", size=b"\x80" + b"\xff" * 11)), root)
    refuse(tar(raw(b"f", size=b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7)), root)
    refuse(tar(pax((b"size", b"-1")), raw(b"f")), root)
    refuse(tar(pax((b"size", b"9" * 30)), raw(b"f")), root)


def test_members_without_content_that_have_some(root: Path) -> None:
    """Readers differ in whether they skip it: two archives in one (CVE-2025-62518)."""
    for kind in b"123456":
        refuse(tar(raw(b"x", bytes((kind,)), raw(b"hidden"), link=b"y")), root)
    refuse(tar(pax((b"size", b"512")), directory("d")), root)


def test_owners_that_cannot_be(root: Path) -> None:
    refuse(tar(pax((b"uid", b"4294967295")), entry("f", b"")), root)
    refuse(tar(pax((b"gid", b"4294967296")), entry("f", b"")), root)
    refuse(tar(pax((b"uid", b"1x")), entry("f", b"")), root)
    refuse(tar(raw(b"f", uid=b"\xff" * 8)), root)


def test_limits(root: Path) -> None:
    many = tar(*(entry(f"{n}", b"") for n in range(101)))
    assert "members" in refuse(many, root, Limits(entries=100))
    large = tar(entry("a", b"x" * 600), entry("b", b"x" * 600))
    assert "bytes" in refuse(large, root, Limits(bytes=1000))
    assert not (root / "b").exists()


def test_a_sparse_file_counts_with_its_whole_size(root: Path) -> None:
    records = pax((b"GNU.sparse.size", b"1000000000"), (b"GNU.sparse.map", b"0,1"))
    archive = tar(records, entry("f", b"x"))
    assert "bytes" in refuse(archive, root, Limits(bytes=1000))


def test_headers_without_end(root: Path) -> None:
    huge = raw(b"pax", b"x", size=b"77777777777")
    assert "header" in refuse(tar(huge), root)
    assert "header" in refuse(tar(raw(b"long", b"L", size=b"77777777777")), root)
    many = [pax((b"k%d" % n, b"x" * 100_000), kind=b"g") for n in range(12)]
    assert "header" in refuse(tar(*many, entry("f", b"")), root)
    assert "header" in refuse(tar(*[pax(kind=b"g")] * 2100, entry("f", b"")), root)
    assert "too large" in refuse(
        tar(pax((b"SCHILY.xattr.user.x", b"y" * 70_000)), entry("f", b"")), root
    )


@pytest.mark.parametrize(
    "numbers",
    ["5,10", "0,1,0,1", "1,1", "0,2", "0", "-1,2", "0,9999999999999999999999", "a,b"],
)
def test_maps_of_sparse_files_that_cannot_be(root: Path, numbers: str) -> None:
    records = pax((b"GNU.sparse.size", b"4"), (b"GNU.sparse.map", numbers.encode()))
    refuse(tar(records, entry("f", b"xx" if numbers != "0,2" else b"x")), root)


def test_a_map_in_the_content_that_has_no_end(root: Path) -> None:
    records = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.realsize", b"10"),
    )
    refuse(tar(records, entry("f", b"999999\n" * 100)), root)
    refuse(tar(records, entry("f", b"1" * 512)), root)
    refuse(tar(records, entry("f", b"1\n0\n")), root)


# Damage


def test_cut_archives(root: Path) -> None:
    whole = tar(entry("file", b"x" * 700), directory("d"))
    for length in (0, 1, 511, 512, 600, 1500, 1536, 1700, 2048):
        assert "cut" in refuse(whole[:length], root)
        (root / "file").unlink(missing_ok=True)
        if (root / "d").exists():
            (root / "d").rmdir()


def test_damaged_headers(root: Path) -> None:
    good = raw(b"file")
    for at in (0, 100, 124, 156, 257, 300):
        block = bytearray(good)
        block[at] ^= 1
        assert "checksum" in refuse(tar(bytes(block)), root)
    assert "checksum" in refuse(os.urandom(2048), root)


def test_damaged_pax_headers(root: Path) -> None:
    for body in (
        b"5 a=b",
        b"7 a=b\n",
        b"x a=b\n",
        b"6 a=b\n6",
        b"4 ab\n",
        b"5 =b\n",
        b"-6 a=b\n",
        b"99999999999999999999 a=b\n",
        b"0 a=b\n",
        b" a=b\n",
    ):
        refuse(tar(raw(b"pax", b"x", body), entry("f", b"")), root)


def test_headers_in_odd_company(root: Path) -> None:
    one = pax((b"path", b"a"))
    refuse(tar(one, one, entry("f", b"")), root)
    long = raw(b"l", b"L", b"name\0")
    refuse(tar(long, long, entry("f", b"")), root)
    refuse(tar(one), root)
    refuse(tar(long), root)
    refuse(tar(pax((b"path", b"a"), kind=b"g"), entry("f", b"")), root)
    refuse(tar(pax((b"size", b"9"), kind=b"g"), entry("f", b"")), root)


def test_unknown_kinds(root: Path) -> None:
    for kind in b"DMNVXAZ9":
        assert "kind" in refuse(tar(raw(b"x", bytes((kind,)))), root)


def test_something_after_the_end(root: Path) -> None:
    one = tar(entry("a", b""))
    assert "end" in refuse(one + tar(entry("b", b"")), root)
    (root / "a").unlink()
    assert "end" in refuse(one + bytes(100_000) + b"x", root)


# Compressed data


def squeezed(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    writer = compressor(name, out.write)
    writer.write(data)
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_is_noticed_before_it_fills_anything(name: str) -> None:
    """CVE-2021-20291."""
    bomb = squeezed(name, bytes(64 << 20))
    read = open_stream(io.BytesIO(bomb).read, Bounds(free=4 << 20))
    seen = 0
    with pytest.raises(InvalidArchive, match="trap"):
        while data := read(1 << 20):
            assert len(data) <= 1 << 20
            seen += len(data)
    assert seen < 32 << 20


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_an_absolute_bound(name: str) -> None:
    read = open_stream(
        io.BytesIO(squeezed(name, os.urandom(3 << 20))).read, Bounds(bytes=1 << 20)
    )
    with pytest.raises(InvalidArchive):
        while read(1 << 20):
            pass


def test_a_zstd_window_of_two_gigabytes() -> None:
    frame = b"\x28\xb5\x2f\xfd" + bytes((0x00, 21 << 3)) + b"\x01\x00\x00"
    with pytest.raises(InvalidArchive, match="memory"):
        open_stream(io.BytesIO(frame).read)(10)


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


# Anything at all

SEED = tar(
    directory("d", mode=0o755),
    entry("d/file", b"content" * 100),
    symlink("link", "d"),
    hard_link("twin", "d/file"),
    pax((b"SCHILY.xattr.user.x", b"1"), (b"path", b"d/long")),
    entry("d/short", b"x" * 600),
    entry("d/.wh.gone", b""),
    entry("d/.wh..wh..opq", b""),
)
BITS = st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255))


@settings(max_examples=300, deadline=None)
@given(st.lists(BITS, min_size=1, max_size=4), st.booleans())
def test_damage_anywhere(changed: list[tuple[int, int]], repaired: bool) -> None:
    """A layer or a sentence, never anything else, and nothing beside the root."""
    data = bytearray(SEED)
    for at, byte in changed:
        data[at] = byte
        start = at - at % 512
        if repaired and any(data[start : start + 512]):
            data[start + 148 : start + 156] = b" " * 8
            total = sum(data[start : start + 512])
            data[start + 148 : start + 156] = b"%06o\0 " % total
    with tempfile.TemporaryDirectory() as place:
        os.mkdir(f"{place}/root")
        fd = os.open(f"{place}/root", os.O_PATH)
        with contextlib.suppress(InvalidArchive, StoreError):
            extract(io.BytesIO(data).read, fd, "/")
        os.close(fd)
        os.mkdir(f"{place}/layer")
        with contextlib.suppress(InvalidArchive):
            read = io.BytesIO(data).read
            apply(read, f"{place}/layer", Limits(), "trusted", None)
        assert sorted(os.listdir(place)) == ["layer", "root"]
