"""lamina.cli.watching.board: what the screen says, row by row."""

from __future__ import annotations

import io

from lamina.builder.events import StepDone, StepMissed, StepStarted
from lamina.cli.progress.style import Style, columns
from lamina.cli.watching.board import Board
from lamina.cli.watching.events import (
    Begun,
    Ended,
    Exited,
    Failed,
    Serves,
    Watching,
    Wrote,
)
from lamina.errors import LaminaError

STYLE = Style(io.StringIO(), colour=False)
SERVES = Serves("c0ffee" * 10, "web", ("0.0.0.0:8000->80/tcp",))
SPLIT = (("event", 8.0), ("hash", 6.2), ("start", 12.4))


def rows(board: Board, height: int = 20, width: int = 80, now: float = 0) -> list[str]:
    return board.rows(STYLE, (width, height), now)


def board(*events: object) -> Board:
    made = Board(0.0)
    for event in events:
        made.apply(event, 0.0)  # type: ignore[arg-type]
    return made


def test_who_serves_and_where_the_time_went() -> None:
    seen = board(
        Begun(2, ("app.py",), False), SERVES, Ended(2, "swapped", "sha256:abc", SPLIT)
    )
    assert rows(seen)[:2] == [
        " + serving  web (c0ffeec0ffee)  0.0.0.0:8000->80/tcp",
        "   swapped abc in 27 ms: event 8, hash 6, start 12  (saved app.py)",
    ]


def test_the_log_is_below_and_its_end_is_seen() -> None:
    seen = board(SERVES, *(Wrote("stdout", b"%d\n" % n) for n in range(100)))
    shown = rows(seen, height=10)
    assert len(shown) == 10
    assert shown[-3:] == ["97", "98", "99"]


def test_an_error_stays_until_something_works() -> None:
    failed = Failed(LaminaError("No such file.", hint="Make it."), serving=True)
    seen = board(SERVES, Begun(2, ("a",), False), failed, Ended(2, "failed"))
    assert rows(seen)[0].startswith(" x failed, the one before serves  web")
    assert "     hint: Make it." in rows(seen)
    seen.apply(Begun(3, ("a",), False), 0.0)
    assert rows(seen)[0].startswith(" > building  web")
    seen.apply(Ended(3, "swapped", "sha256:abc", SPLIT), 0.0)
    assert rows(seen)[0].startswith(" + serving")
    assert not any("hint" in row for row in rows(seen))


def test_without_a_container_it_waits() -> None:
    seen = board(Watching(2, 3), SERVES, Exited(SERVES.container, 3))
    assert rows(seen)[0] == " = waiting for a save"
    assert "   c0ffeec0ffee has ended with exit code 3" in rows(seen)


def test_what_runs_is_shown_with_its_time() -> None:
    seen = board(Begun(2, ("a",), False), StepStarted(1, "[2/3] RUN make"))
    assert "   >   2.0s  [2/3] RUN make" in rows(seen, now=2.0)


def test_why_steps_ran_can_be_asked() -> None:
    seen = board(
        Begun(2, ("a",), False),
        StepMissed(1, "[2/3] COPY . /", ("a changed",)),
        StepStarted(1, "[2/3] COPY . /"),
        StepDone(1, "[2/3] COPY . /", 0.04, True),
        SERVES,
        Ended(2, "swapped"),
    )
    seen.explains = True
    assert rows(seen)[2:4] == [
        "   [2/3] COPY . /: a changed",
        "     took 0.0s: [2/3] COPY . /",
    ]


def test_no_row_is_too_wide_and_nothing_steers_the_terminal() -> None:
    hostile = b"\x1b[2J\x1b]0;title\x07" + "漢字".encode() * 50 + b"\n"
    seen = board(SERVES, Begun(2, ("\x1b[31mred" * 20,), False), Wrote("out", hostile))
    for width in (1, 7, 40):
        for height in (1, 4, 9):
            shown = rows(seen, height, width)
            assert len(shown) <= height
            assert all(columns(row) <= width for row in shown)
            assert not any("\x1b" in row or "\x07" in row for row in shown)
