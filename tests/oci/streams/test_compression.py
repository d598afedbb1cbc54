"""oci.streams.compression: the same data, the same bytes, back to their end."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import subprocess
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.oci.errors import InvalidArchive
from lamina.oci.streams.compression import compressor, open_stream, version
from lamina.oci.streams.decompress import Bounds
from tests.oci.tars import pieces

TEXT = b"".join(b"line %d of some text\n" % n for n in range(200_000))
NOISE = os.urandom(300_000)


def squeeze(name: str, *parts: bytes) -> bytes:
    out = io.BytesIO()
    writer = compressor(name, out.write)
    for part in parts:
        writer.write(part)
    writer.close()
    return out.getvalue()


def plain(data: bytes, *sizes: int) -> bytes:
    read = open_stream(pieces(data, sizes * 1000))
    parts = []
    while part := read(50_000):
        assert len(part) <= 50_000
        parts.append(part)
    assert read(1) == b""
    return b"".join(parts)


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "our gzip": lambda data: squeeze("gzip", data),
    "zstd": zstandard.ZstdCompressor(level=1).compress,
    "our zstd": lambda data: squeeze("zstd", data),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "data", [b"", b"x", TEXT, NOISE], ids=["empty", "one", "text", "noise"]
)
def test_what_is_read_is_what_was_compressed(name: str, data: bytes) -> None:
    packed = FORMATS[name](data)
    assert plain(packed) == data
    assert plain(packed, 1, 3, 1000) == data


@pytest.mark.parametrize("name", FORMATS)
def test_members_one_after_the_other(name: str) -> None:
    squeezed = FORMATS[name]
    packed = squeezed(TEXT) + squeezed(b"") + squeezed(b"end")
    assert plain(packed, 1000) == TEXT + b"end"


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_cut_is_noticed(name: str) -> None:
    packed = FORMATS[name](TEXT[:100_000])
    for length in (12, len(packed) // 2, len(packed) - 5, len(packed) - 1):
        with pytest.raises(InvalidArchive):
            plain(packed[:length])


@pytest.mark.parametrize("name", FORMATS)
def test_what_goes_on_after_the_end_is_noticed(name: str) -> None:
    packed = FORMATS[name](b"data")
    for tail in (b"\0", b"garbage", b"\0" * 600, packed[:3]):
        with pytest.raises(InvalidArchive):
            plain(packed + tail)


@pytest.mark.parametrize("name", ["our gzip", "our zstd", "bzip2", "xz"])
def test_what_is_damaged_is_noticed(name: str) -> None:
    packed = bytearray(FORMATS[name](NOISE))
    packed[len(packed) // 2] ^= 1
    with pytest.raises(InvalidArchive):
        plain(bytes(packed))


def test_plain_data_is_passed_on() -> None:
    for data in (b"", b"x", NOISE, b"\x1f", b"BZh9 is no bzip2", b"\x28\xb5\x2f"):
        assert plain(data) == data
        assert plain(data, 1, 1, 1) == data


@pytest.mark.parametrize("name", ["gzip", "zstd", "none"])
def test_the_bytes_do_not_depend_on_the_pieces(name: str) -> None:
    data = TEXT + NOISE
    whole = squeeze(name, data)
    for size in (1000, 65_536, 1 << 20, 3_000_001):
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        assert squeeze(name, *parts) == whole


@pytest.mark.parametrize(
    ("name", "command"), [("gzip", ["gzip", "-dc"]), ("zstd", ["zstd", "-dc"])]
)
def test_other_programs_read_it(name: str, command: list[str]) -> None:
    packed = squeeze(name, TEXT, NOISE)
    done = subprocess.run(command, input=packed, check=True, stdout=subprocess.PIPE)
    assert done.stdout == TEXT + NOISE


def test_the_header_of_gzip_says_nothing_of_the_machine() -> None:
    assert squeeze("gzip", b"x")[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_the_compressor_is_named_with_its_version() -> None:
    assert version("gzip").startswith("isal/")
    assert version("gzip").endswith("/l2")
    assert (
        version("zstd")
        == "zstd/" + ".".join(map(str, zstandard.ZSTD_VERSION)) + "/l3/mt2"
    )
    assert version("none") == "none"


@pytest.mark.parametrize("level", [3, 16])
def test_the_number_of_threads_changes_no_byte(level: int) -> None:
    data = TEXT[: 3 << 20] + NOISE + TEXT
    all_of_them = os.sched_getaffinity(0)
    found = set()
    try:
        for number in (1, len(all_of_them)):
            os.sched_setaffinity(0, sorted(all_of_them)[:number])
            out = io.BytesIO()
            writer = compressor("zstd", out.write, level)
            writer.write(data)
            writer.close()
            found.add(out.getvalue())
    finally:
        os.sched_setaffinity(0, all_of_them)
    assert len(found) == 1
    assert plain(found.pop()) == data


def test_zstd_frames_of_all_kinds() -> None:
    """Sizes in the header or not, checksums or not, skippable frames between."""
    skippable = b"\x5a\x2a\x4d\x18" + (700_000).to_bytes(4, "little") + bytes(700_000)
    frames = [skippable]
    for size in (0, 1, 200, 300, 70_000, 1_000_000):
        data = (TEXT + NOISE)[:size]
        for checksum in (False, True):
            for known in (False, True):
                frames.append(
                    zstandard.ZstdCompressor(
                        write_checksum=checksum, write_content_size=known
                    ).compress(data)
                )
    expected = b"".join(
        (TEXT + NOISE)[:size] * 4 for size in (0, 1, 200, 300, 70_000, 1_000_000)
    )
    assert plain(b"".join([*frames, skippable])) == expected


def test_a_long_window_is_read_when_it_is_allowed() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=25, compression_level=1)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = writer.compress(TEXT) + writer.flush()
    assert plain(packed) == TEXT
    with pytest.raises(InvalidArchive, match="memory"):
        open_stream(io.BytesIO(packed).read, Bounds(window=1 << 20))(1)


def test_zeros_within_the_free_bytes_are_no_bomb() -> None:
    packed = squeeze("gzip", bytes(20 << 20))
    assert len(plain(packed)) == 20 << 20


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=300), st.data())
def test_damage_gives_an_error_or_the_data(
    name: str, content: bytes, data: st.DataObject
) -> None:
    """Never another exception, never an endless loop."""
    packed = bytearray(FORMATS[name](content * 10))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidArchive):
        plain(bytes(packed), data.draw(st.integers(1, 50)))
