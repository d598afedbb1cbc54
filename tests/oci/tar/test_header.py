"""oci.tar.header and oci.tar.pax: numbers, names and records, there and back."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.errors import InvalidArchive
from lamina.oci.streams.stream import Source
from lamina.oci.tar import pax
from lamina.oci.tar.header import (
    REGULAR,
    SYMLINK,
    Entry,
    format_header,
    parse_header,
    parse_number,
)
from lamina.oci.tar.reader import Limits, TarReader

NAME = st.binary(min_size=1, max_size=400).filter(
    lambda name: b"\0" not in name and not name.endswith(b"/")
)


def file(name: bytes, **fields: object) -> Entry:
    given = {"kind": REGULAR, "mode": 0o644, **fields}
    return Entry(name, **given)  # type: ignore[arg-type]


def read(data: bytes) -> list[Entry]:
    return list(TarReader(Source(iter([data, bytes(1024)])), Limits(path=1000)))


@given(
    NAME,
    NAME,
    st.integers(0, 0o7777),
    st.integers(0, (1 << 32) - 2),
    st.integers(-(1 << 40), 1 << 40),
    st.dictionaries(st.text(min_size=1).map("user.{}".format), st.binary()),
)
def test_what_is_written_is_read(
    name: bytes,
    link: bytes,
    mode: int,
    owner: int,
    mtime: int,
    xattrs: dict[str, bytes],
) -> None:
    entry = file(
        name,
        **{"kind": SYMLINK, "link": link, "mode": mode, "uid": owner, "gid": owner},
        **{"mtime": mtime * 10**9, "xattrs": xattrs},
    )
    real, timeless = format_header(entry, entry.mtime)
    assert read(real) == [entry]
    assert read(timeless)[0].mtime == 0
    assert len(real) % 512 == len(timeless) % 512 == 0


@given(NAME, st.integers(0, 1 << 40), st.integers(0, 1 << 34))
def test_tarfile_reads_what_is_written(name: bytes, mtime: int, size: int) -> None:
    entry = file(name, size=size, stored=size, mtime=mtime * 10**9)
    data = format_header(entry, entry.mtime)[0]
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        found = archive.next()
    assert found is not None
    assert found.name.encode("utf-8", "surrogateescape") == name.rstrip(b"/")
    assert (found.size, found.mtime) == (size, mtime)


@pytest.mark.parametrize(
    ("field", "number"),
    [
        (b"0000644\0", 0o644),
        (b"   644 \0", 0o644),
        (b"644\0\0\0\0\0", 0o644),
        (b"\0" * 8, 0),
        (b"        ", 0),
        (b"77777777", 0o77777777),
        (b"\x80\0\0\0\0\0\x01\0", 256),
        (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
    ],
)
def test_numbers(field: bytes, number: int) -> None:
    assert parse_number(field) == number


@pytest.mark.parametrize(
    "field",
    [b"-644", b"+644", b"0o17", b"6_4", b"8", b"1 2", b"1\x002", b"a", b"\x80" * 12],
)
def test_what_is_no_number(field: bytes) -> None:
    with pytest.raises(InvalidArchive):
        parse_number(field)


@given(NAME)
def test_names_of_ustar(name: bytes) -> None:
    """A prefix and a name are joined by the slash between them."""
    info = tarfile.TarInfo(name.decode("latin-1"))
    try:
        block = info.tobuf(tarfile.USTAR_FORMAT, "latin-1", "strict")
    except ValueError:
        return  # too long for it
    found = parse_header(block)
    assert found.name.rstrip(b"/") == info.name.encode("latin-1").rstrip(b"/")


@given(st.lists(st.tuples(st.binary(min_size=1), st.binary())))
def test_pax_records(records: list[tuple[bytes, bytes]]) -> None:
    records = [(key.replace(b"=", b"-"), data) for key, data in records]
    body = b""
    for key, data in records:
        length = next(
            n for n in range(10_000) if n == len(b"%d %b=%b\n" % (n, key, data))
        )
        body += b"%d %b=%b\n" % (length, key, data)
    assert pax.parse_records(body) == records


@given(st.binary(max_size=60))
def test_damaged_pax_records_are_an_error(body: bytes) -> None:
    try:
        found = pax.parse_records(body)
    except InvalidArchive:
        return
    assert sum(len(key) + len(data) for key, data in found) < len(body) or not body


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"1", 10**9),
        (b"1.5", 1_500_000_000),
        (b"0.0000000019", 1),
        (b"-1.5", -1_500_000_000),
        (b"12.", 12 * 10**9),
    ],
)
def test_times(text: bytes, time: int) -> None:
    assert pax.parse_time(text) == time


@pytest.mark.parametrize("text", [b"", b"-", b"1.x", b"--1", b"1e3", b"+1", b" 1"])
def test_what_is_no_time(text: bytes) -> None:
    with pytest.raises(InvalidArchive):
        pax.parse_time(text)
