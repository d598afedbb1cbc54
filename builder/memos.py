"""Pieces: a large table of rows, kept as several memos of the store.

As one memo it would be in memory three times over while it is read or written, and
written whole for the change of one row. Rows are kept in their order, so that a piece
in which nothing changed has the same bytes and is not written again.
"""

from __future__ import annotations

import hashlib
import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    class Memos(Protocol):
        """Where memos are kept between builds; the store is one."""

        def recall(self, kind: str, key: str) -> bytes | None: ...

        def remember(self, kind: str, key: str, data: bytes) -> None: ...


# About as many bytes of rows are in a piece.
_SIZE = 1 << 20
_CHECK = 32


class Table:
    """The rows of one name; `mark` (what marshal takes) says what they belong to.

    What is damaged, or of another mark than the first piece, ends the table: rows are
    what can be found out again.
    """

    def __init__(self, memos: Memos, kind: str, name: str) -> None:
        self._memos = memos
        self._kind = kind
        self._name = name
        # The digests of the pieces that were read.
        self._known: list[bytes] = []

    def read(self) -> tuple[Any, Iterator[Any]]:
        """The mark and the rows; (None, nothing) when there is no table."""
        piece = self._piece(0)
        return (None, iter(())) if piece is None else (piece[0], self._rows(piece))

    def write(self, mark: Any, rows: Iterable[tuple[int, Any]]) -> None:
        """Replace the table by these rows, each with about its size in bytes."""
        number, size = 0, 0
        piece: list[Any] = []
        for count, row in rows:
            if size >= _SIZE:
                self._keep(number, (mark, False, piece))
                number, size, piece = number + 1, 0, []
            piece.append(row)
            size += count
        self._keep(number, (mark, True, piece))

    def _rows(self, piece: tuple[Any, bool, list[Any]]) -> Iterator[Any]:
        number, first = 0, piece[0]
        while piece[0] == first:
            yield from piece[2]
            if piece[1]:
                return
            number += 1
            more = self._piece(number)
            if more is None:
                return
            piece = more

    def _piece(self, number: int) -> tuple[Any, bool, list[Any]] | None:
        data = self._memos.recall(self._kind, self._key(number))
        # marshal trusts what it reads, so what it reads is checked.
        view = memoryview(data or b"")
        if not data or hashlib.sha256(view[_CHECK:]).digest() != view[:_CHECK]:
            return None
        self._known[number:] = [bytes(view[:_CHECK])]
        found: tuple[Any, bool, list[Any]] = marshal.loads(view[_CHECK:])
        return found

    def _keep(self, number: int, piece: tuple[Any, bool, list[Any]]) -> None:
        data = marshal.dumps(piece)
        check = hashlib.sha256(data).digest()
        if self._known[number : number + 1] != [check]:
            self._memos.remember(self._kind, self._key(number), check + data)

    def _key(self, number: int) -> str:
        return f"{self._name} {number}" if number else self._name
