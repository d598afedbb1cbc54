"""Sparse files in a tar: where the stored pieces of data lie in the file.

GNU tar's manual, "Storing Sparse Files": the old GNU header (type S), and pax
records in the versions 0.0, 0.1 and 1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci.errors import InvalidArchive
from lamina.oci.tar.header import BLOCK, parse_number
from lamina.oci.tar.pax import parse_count

if TYPE_CHECKING:
    from collections.abc import Callable

Extents = tuple[tuple[int, int], ...]

# Old GNU: four pairs of 12 bytes in the header, 21 in each block that follows.
_MAP_START = 386
_MAP_PAIRS = 4
_MORE_PAIRS = 21
_MORE_FLAG = 504
_MAX_EXTENTS = 1 << 20


def gnu_extents(header: bytes, take: Callable[[int], bytes]) -> tuple[int, list[int]]:
    """The file's size and the numbers of its map, of a header of type S."""
    numbers = _pairs_in(header[_MAP_START:], _MAP_PAIRS)
    more = header[482]
    while more:
        block = take(BLOCK)
        numbers += _pairs_in(block, _MORE_PAIRS)
        more = block[_MORE_FLAG]
        _check_count(len(numbers) // 2)
    return parse_number(header[483:495]), numbers


def _pairs_in(block: bytes, count: int) -> list[int]:
    numbers = []
    for at in range(0, count * 24, 24):
        if not block[at]:
            break
        numbers.append(parse_number(block[at : at + 12]))
        numbers.append(parse_number(block[at + 12 : at + 24]))
    return numbers


def leading_map(take: Callable[[int], bytes]) -> list[int]:
    """The map of version 1.0, at the start of the content: decimal numbers, each
    with a newline, a count of pairs first, then padding to a block."""
    text = bytearray()
    count, numbers = -1, 0
    while count < 0 or numbers < 2 * count + 1:
        block = take(BLOCK)
        numbers += block.count(b"\n")
        text += block
        if count < 0 and numbers:
            count = parse_count(bytes(text.partition(b"\n")[0]))
            _check_count(count)
    lines = bytes(text).split(b"\n")
    return [parse_count(line) for line in lines[1 : 2 * count + 1]]


def check_extents(size: int, numbers: list[int], stored: int) -> Extents:
    """Offsets and sizes as pairs; raises InvalidArchive unless they rise through a
    file of `size` bytes and cover what is stored."""
    extents = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    _check_count(len(extents))
    at = 0
    total = 0
    for offset, length in extents:
        if length < 0 or offset < at or offset + length > size:
            raise _damaged()
        at = offset + length
        total += length
    if len(numbers) % 2 or total != stored:
        raise _damaged()
    return tuple(extent for extent in extents if extent[1])


def _check_count(count: int) -> None:
    if count > _MAX_EXTENTS:
        raise InvalidArchive(f"A sparse file in the archive has {count} pieces.")


def _damaged() -> InvalidArchive:
    return InvalidArchive("The map of a sparse file in the archive is damaged.")
