"""Archives that are cut or changed: each is an error with a sentence, or harmless."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.oci.errors import InvalidArchive, StoreError
from lamina.oci.layers.apply import Limits, apply
from lamina.oci.layers.extract import extract
from tests.oci.archives.hostile import refuse
from tests.oci.tars import (
    directory,
    entry,
    hard_link,
    pax,
    raw,
    symlink,
    tar,
)

pytestmark = pytest.mark.root


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
