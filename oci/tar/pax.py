"""pax records: what an extended header says of the members after it.

POSIX.1-2017, pax, "pax Extended Header"; SCHILY.xattr as star, Go and GNU tar
write it; GNU.sparse as in GNU tar's manual, "Storing Sparse Files".
"""

from __future__ import annotations

from lamina.oci.errors import InvalidArchive

Records = list[tuple[bytes, bytes]]

_XATTR = b"SCHILY.xattr."
_SEPARATED = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
# A length of more digits would be over any limit on a header.
_MAX_DIGITS = 9


def parse_records(body: bytes) -> Records:
    """The records in the order in which they stand; a key may come again."""
    records = []
    at = 0
    while at < len(body):
        blank = body.find(b" ", at, at + _MAX_DIGITS + 1)
        digits = body[at:blank] if blank > 0 else b""
        if not digits.isdigit():
            raise _damaged()
        end = at + int(digits)
        key, equals, data = body[blank + 1 : end - 1].partition(b"=")
        if end > len(body) or body[end - 1 : end] != b"\n" or not (key and equals):
            raise _damaged()
        records.append((key, data))
        at = end
    return records


def merge(general: dict[bytes, bytes], own: Records) -> dict[bytes, bytes]:
    """What holds for one member: its own records over the archive's general ones.

    The last of a key counts, and an empty value takes the record away (POSIX).
    """
    merged = general | dict(own)
    return {key: data for key, data in merged.items() if data or _XATTR in key}


def check_general(records: Records) -> None:
    """Refuse a general header that would name, size or shape every member alike."""
    for key, _ in records:
        if key in (b"path", b"linkpath", b"size") or key.startswith(
            (_XATTR, b"GNU.sparse.")
        ):
            raise InvalidArchive(
                f"The archive sets {key.decode()!r} for all of its members at once."
            )


def xattrs_of(records: dict[bytes, bytes]) -> dict[str, bytes]:
    """The extended attributes among the records, GNU tar's escapes undone."""
    return {
        key[len(_XATTR) :]
        .replace(b"%3D", b"=")
        .replace(b"%25", b"%")
        .decode("utf-8", "surrogateescape"): data
        for key, data in records.items()
        if key.startswith(_XATTR)
    }


def parse_count(data: bytes) -> int:
    """A decimal number that is not negative and fits 63 bits."""
    if not data.isdigit() or len(data) > 19 or int(data) >= 1 << 63:
        raise InvalidArchive(f"A header of the archive is damaged: {data[:40]!r}.")
    return int(data)


def parse_time(data: bytes) -> int:
    """Nanoseconds of a decimal number of seconds; what is finer is cut off."""
    negative = data.startswith(b"-")
    seconds, _, fraction = data.removeprefix(b"-").partition(b".")
    if fraction and not fraction.isdigit():
        raise InvalidArchive(f"A time in the archive is damaged: {data[:40]!r}.")
    time = parse_count(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return -time if negative else time


def sparse_numbers(records: Records) -> list[int]:
    """GNU.sparse 0.0: offset and numbytes, again and again, in their order."""
    return [parse_count(data) for key, data in records if key in _SEPARATED]


def _damaged() -> InvalidArchive:
    return InvalidArchive("The archive has a damaged pax header.")
