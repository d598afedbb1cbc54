"""Tables in pieces: what is read back, what is written again, what is damaged."""

from __future__ import annotations

from lamina.builder.memos import Table

ROWS = [(200_000, (f"row {number}", bytes(200_000))) for number in range(20)]


class Notes:
    """Memos in a dictionary, and how often each was written."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}
        self.written: list[str] = []

    def recall(self, kind: str, key: str) -> bytes | None:
        return self.kept.get((kind, key))

    def remember(self, kind: str, key: str, data: bytes) -> None:
        self.kept[kind, key] = data
        self.written.append(key)


def test_rows_come_back_in_their_order() -> None:
    notes = Notes()
    Table(notes, "kind", "name").write("mark", ROWS)
    assert 2 < len(notes.kept) < len(ROWS)
    mark, rows = Table(notes, "kind", "name").read()
    assert mark == "mark" and [*rows] == [row for _, row in ROWS]
    assert Table(notes, "kind", "other").read()[0] is None


def test_a_piece_in_which_nothing_changed_is_not_written() -> None:
    notes = Notes()
    Table(notes, "kind", "name").write(1, ROWS)
    pieces, notes.written = notes.written, []
    table = Table(notes, "kind", "name")
    _, rows = table.read()
    assert len([*rows]) == len(ROWS)
    changed = [*ROWS[:-1], (200_000, ("row 19", b"another"))]
    table.write(1, changed)
    assert notes.written == pieces[-1:]
    assert [*Table(notes, "kind", "name").read()[1]] == [row for _, row in changed]


def test_a_shorter_table_ends_where_it_does() -> None:
    notes = Notes()
    Table(notes, "kind", "name").write(1, ROWS)
    Table(notes, "kind", "name").write(1, ROWS[:1])
    assert [*Table(notes, "kind", "name").read()[1]] == [ROWS[0][1]]


def test_what_is_damaged_or_of_another_writer_ends_the_table() -> None:
    notes = Notes()
    Table(notes, "kind", "name").write("old", ROWS)
    last = max(notes.kept)
    of_old = notes.kept[last]
    Table(notes, "kind", "name").write("new", ROWS)
    notes.kept[last] = of_old
    mark, rows = Table(notes, "kind", "name").read()
    assert mark == "new" and 0 < len([*rows]) < len(ROWS)
    notes.kept["kind", "name"] = b"x" + notes.kept["kind", "name"][1:]
    assert Table(notes, "kind", "name").read()[0] is None
