"""One member's header in a tar: read in every dialect, written in one.

Read: POSIX ustar and pax (POSIX.1-2017, pax, "ustar Interchange Format" and "pax
Header Block"), GNU tar (its manual, "Basic Tar Format") and the V7 format before
them. Written: ustar, with pax records only for what ustar cannot say.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING
from zlib import adler32

from lamina.oci.errors import InvalidArchive
from lamina.values import EMPTY, value

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCK = 512
EMPTY_BLOCK = bytes(BLOCK)

REGULAR = b"0"
HARD_LINK = b"1"
SYMLINK = b"2"
CHARACTER = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
FIFO = b"6"
# Kinds that never have content, whatever their size field says.
BARE = frozenset((HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO))

MAX_ID = 0o7777777
MAX_SIZE = 0o77777777777

# name mode uid gid size mtime checksum type link magic+version, names of the owner,
# major minor prefix, padding.
_FIELDS = Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
_PAX_NAME = b"././@PaxHeader"


@value
class Entry:
    """A member of an archive, all dialects resolved.

    `size` is the file's; `stored` the bytes in the archive, less where the file is
    sparse: then `extents` has the (offset, size) of each piece of data. `mtime` is
    in nanoseconds. `xattrs` are whole names with binary values.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = EMPTY
    stored: int = 0
    extents: tuple[tuple[int, int], ...] | None = None


def parse_header(block: bytes) -> Entry:
    """Read a header block; names end at their NUL. Raises InvalidArchive when it is
    none."""
    fields = _FIELDS.unpack(block)
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic = fields[:10]
    # The lower half of adler32 is one more than the sum of the bytes, modulo 65521.
    # It says whether the checksum is right, at a twentieth of the price of sum().
    wanted = _checksum(checksum) - 8 * 32 + sum(checksum)
    if (adler32(block) & 0xFFFF) != (wanted + 1) % 65521:
        raise InvalidArchive(
            "A header of the archive is damaged: its checksum is wrong.",
            hint="It is no tar, or its copy was not finished; get it again.",
        )
    name = name.partition(b"\0")[0]
    prefix = fields[12]
    if prefix[0] and magic[:6] == b"ustar\0":
        name = prefix.partition(b"\0")[0] + b"/" + name
    stored = parse_number(size)
    if stored < 0:
        raise _bad_number(size)
    return Entry(
        name,
        kind,
        _natural(mode) & 0o7777,
        _natural(uid),
        _natural(gid),
        stored,
        parse_number(mtime) * 10**9,
        link.partition(b"\0")[0],
        _device(fields[10], fields[11]) if kind in b"34" else (0, 0),
        EMPTY,
        stored,
        None,
    )


def parse_number(field: bytes) -> int:
    """Octal digits between blanks and NULs, or GNU's base 256 with the top bit set."""
    if field[0] & 0x80:
        return _base_256(field)
    digits = field[:-1] if field[-1] == 0 else field
    if not digits.isdigit():
        digits = field.strip(b" \0") or b"0"
    try:
        # int() alone would also take signs, underscores and blanks.
        return int(digits if digits.isdigit() else b"", 8)
    except ValueError:
        raise _bad_number(field) from None


def _base_256(field: bytes) -> int:
    bits = len(field) * 8 - 1
    number = int.from_bytes(field, "big") & ((1 << bits) - 1)
    number -= (number >> (bits - 1)) << bits
    if not -(1 << 63) <= number < 1 << 63:
        raise _bad_number(field)
    return number


@lru_cache(maxsize=1024)  # an archive has few modes and owners
def _natural(field: bytes) -> int:
    number = parse_number(field)
    if number < 0:
        raise _bad_number(field)
    return number


def _checksum(field: bytes) -> int:
    digits = field.strip(b" \0")
    # What is no number is right for no header: the largest sum is 130,560.
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 1 << 17


def _device(major: bytes, minor: bytes) -> tuple[int, int]:
    """The numbers of a device. mknod(2) would cut larger ones to 12 and 20 bits, and
    so make another device of them."""
    device = (_natural(major), _natural(minor))
    if device[0] >= 1 << 12 or device[1] >= 1 << 20:
        raise _bad_number(major + minor)
    return device


def _bad_number(field: bytes) -> InvalidArchive:
    return InvalidArchive(f"A header of the archive is damaged: {field!r} in it.")


def format_header(entry: Entry, mtime: int) -> tuple[bytes, bytes]:
    """The canonical header of `entry` with the time `mtime` (ns, cut to whole
    seconds), and the same with the time zero. Extents are not written: a file's
    data is whole."""
    seconds = mtime // 10**9
    records, prefix, name = _records(entry)
    in_octal = 0 <= seconds <= MAX_SIZE
    left = b"%b%07o\0%07o\0%07o\0%011o\0" % (
        name.ljust(100, b"\0"),
        entry.mode,
        entry.uid if entry.uid <= MAX_ID else 0,
        entry.gid if entry.gid <= MAX_ID else 0,
        entry.size if entry.size <= MAX_SIZE else 0,
    )
    right = _right(entry, prefix)
    total = sum(left) + sum(right) + 8 * 32
    real = _join(left, seconds if in_octal else 0, right, total)
    timeless = _join(left, 0, right, total)
    if records:
        timeless = _extended(records) + timeless
    if not in_octal:
        records[b"mtime"] = b"%d" % seconds
    if records:
        real = _extended(records) + real
    return real, timeless


def _right(entry: Entry, prefix: bytes) -> bytes:
    """The fields after the checksum."""
    return b"%b%bustar\x0000%b%07o\0%07o\0%b" % (
        entry.kind,
        entry.link[:100].ljust(100, b"\0"),
        bytes(64),
        entry.device[0],
        entry.device[1],
        prefix.ljust(167, b"\0"),
    )


def _join(left: bytes, seconds: int, right: bytes, total: int) -> bytes:
    """A header block; `total` is the checksum without the time."""
    time = b"%011o\0" % seconds
    return left + time + b"%06o\0 " % (total + sum(time)) + right


def _records(entry: Entry) -> tuple[dict[bytes, bytes], bytes, bytes]:
    """The pax records that `entry` needs, and its name as ustar's prefix and name."""
    records: dict[bytes, bytes] = {}
    name, prefix = entry.name, b""
    if _is_plain(entry):
        return records, prefix, name
    if len(name) > 100:
        prefix, name = _split(name)
    if not entry.name.isascii() or not name:
        records[b"path"] = entry.name
        prefix, name = b"", entry.name[:100]
    if len(entry.link) > 100 or not entry.link.isascii():
        records[b"linkpath"] = entry.link
    for key, number, most in (
        (b"uid", entry.uid, MAX_ID),
        (b"gid", entry.gid, MAX_ID),
        (b"size", entry.size, MAX_SIZE),
    ):
        if number > most:
            records[key] = b"%d" % number
    for attribute, data in entry.xattrs.items():
        # GNU tar's escapes: a pax key ends at its first `=`.
        escaped = attribute.replace("%", "%25").replace("=", "%3D")
        records[b"SCHILY.xattr." + escaped.encode("utf-8", "surrogateescape")] = data
    return records, prefix, name


def _is_plain(entry: Entry) -> bool:
    """Whether ustar's fields are large enough for all of it, as nearly always."""
    return (
        len(entry.name) <= 100
        and len(entry.link) <= 100
        and entry.uid <= MAX_ID
        and entry.gid <= MAX_ID
        and entry.size <= MAX_SIZE
        and not entry.xattrs
        and entry.name.isascii()
        and entry.link.isascii()
    )


def _split(name: bytes) -> tuple[bytes, bytes]:
    """A name of over 100 bytes as ustar's prefix and name; the name is empty when
    there is no `/` at the right place."""
    cut = name.find(b"/", max(len(name) - 101, 1))
    if 0 < cut <= 155 and cut + 1 < len(name):
        return name[:cut], name[cut + 1 :]
    return b"", b""


def _extended(records: dict[bytes, bytes]) -> bytes:
    """A pax header with its records sorted: `LENGTH KEY=VALUE\\n`."""
    body = b"".join(_record(key, records[key]) for key in sorted(records))
    left = b"%b0000644\x000000000\x000000000\0%011o\0" % (
        _PAX_NAME.ljust(100, b"\0"),
        len(body),
    )
    right = b"x%bustar\x0000%b0000000\x000000000\0%b" % (
        bytes(100),
        bytes(64),
        bytes(167),
    )
    block = _join(left, 0, right, sum(left) + sum(right) + 8 * 32)
    return block + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, data: bytes) -> bytes:
    # The length counts its own digits.
    rest = len(key) + len(data) + 3
    length = rest + len(b"%d" % rest)
    length = rest + len(b"%d" % length)
    return b"%d %b=%b\n" % (length, key, data)
