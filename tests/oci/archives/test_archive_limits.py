"""Archives that want more than their share: of bytes, of members, of memory."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lamina.oci.errors import InvalidArchive
from lamina.oci.layers.apply import Limits
from lamina.oci.streams.compression import compressor, open_stream
from lamina.oci.streams.decompress import Bounds
from tests.oci.archives.hostile import refuse
from tests.oci.tars import (
    directory,
    entry,
    pax,
    raw,
    tar,
)

pytestmark = pytest.mark.root


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
