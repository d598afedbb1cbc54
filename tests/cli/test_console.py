"""cli.console: what people see of a build."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import struct
import termios
import threading
from collections.abc import Callable

import pytest

from lamina.builder.events import (
    Note,
    Planned,
    StepCached,
    StepDone,
    StepFailed,
    StepOutput,
    StepStarted,
)
from lamina.builder.output import printable
from lamina.cli.console import Plain, Terminal


def test_plain_lines_are_buildkits() -> None:
    stream = io.StringIO()
    show = Plain(stream)
    show(Planned(2))
    show(Note("epoch: none"))
    show(StepCached(1, "[a 1/2] COPY . ."))
    show(StepStarted(2, "[a 2/2] RUN x"))
    show(StepOutput(2, b"one\ntw"))
    show(StepOutput(2, b"o\nlast"))
    show(StepDone(2, "[a 2/2] RUN x", 1.25, False))
    lines = stream.getvalue().splitlines()
    assert lines[:4] == [
        "epoch: none",
        "#1 [a 1/2] COPY . .",
        "#1 CACHED",
        "#2 [a 2/2] RUN x",
    ]
    assert [line.split(" ", 2)[2] for line in lines[4:7]] == ["one", "two", "last"]
    assert lines[7] == "#2 DONE 1.2s, the same as before"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_ends_with_a_line_for_each_step() -> None:
    stream = Screen()
    show = Terminal(stream)
    show(StepCached(1, "one"))
    show(StepStarted(2, "two"))
    show(StepOutput(2, b"\x1b[31mred\x1b[0m\rover\n"))
    show(StepDone(2, "two", 0.5, True))
    show(StepStarted(3, "three"))
    show(StepFailed(3, "three", 0.5))
    show.close()
    text = stream.getvalue()
    assert "one  cached" in text
    assert "two  0.5s" in text
    assert "three  0.5s" in text


def on_a_terminal(
    show: Callable[[Terminal], None], columns: int, rows: int
) -> list[str]:
    """The lines that a terminal of that size was sent, drawn again or not."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    said = b""

    def read() -> None:
        nonlocal said
        with contextlib.suppress(OSError):
            while data := os.read(master, 4096):
                said += data

    reader = threading.Thread(target=read)
    reader.start()
    with open(slave, "w", encoding="utf-8") as stream:
        terminal = Terminal(stream)
        show(terminal)
        terminal.close()
    reader.join()
    os.close(master)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
    return [line for line in re.split("[\r\n]+", plain) if line]


LONG = "[app 3/9] RUN " + "make all " * 40


def test_a_long_name_leaves_room_for_the_time() -> None:
    def show(terminal: Terminal) -> None:
        terminal(StepCached(1, LONG))
        terminal(StepStarted(2, LONG))
        terminal(Note("draw it"))
        terminal(StepDone(2, LONG, 12.34, False))

    for columns in (60, 100):
        ends = [line for line in on_a_terminal(show, columns, 20) if "RUN" in line]
        assert [
            line.rpartition("…  ")[2] for line in ends if line.startswith(" =")
        ] == ["cached"]
        assert any(line.endswith("…  12.3s  the same as before") for line in ends)
        running = [line for line in ends if line.startswith(" > [app")]
        assert running and all(line.endswith("…  0.0s") for line in running)
        assert max(map(len, ends)) == columns


def test_wide_characters_are_counted_as_they_are_drawn() -> None:
    def show(terminal: Terminal) -> None:
        terminal(StepCached(1, "\u5efa" * 50))

    assert on_a_terminal(show, 40, 20) == [f" = {chr(0x5EFA) * 14}…  cached"]


def test_what_running_steps_write_is_visible_on_a_small_screen() -> None:
    def show(terminal: Terminal) -> None:
        for step in range(4):
            terminal(StepStarted(step, f"step {step}"))
        for step in range(4):
            lines = "".join(f"{step}: line {n}\n" for n in range(20))
            terminal(StepOutput(step, lines.encode()))
        terminal(Note("drawn"))

    lines = on_a_terminal(show, 40, 12)
    drawn = [line for line in lines[lines.index("   drawn") :] if "line" in line]
    assert drawn[:4] == [f"     {step}: line 19" for step in range(4)]
    assert set(drawn[4:]) <= set(drawn[:4])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"plain \xc3\xa4", "plain \u00e4"),
        (b"10%\r50%\r100%", "100%"),
        (b"line\r\n", "line\n"),
        (b"\x1b[1mbold\x1b[0m", "bold"),
        (b"\x1b]0;title\x07x", "x"),
        (b"bell\x07 back\x08", "bell back"),
        (b"\xff", "\ufffd"),
        (b"tab\there", "tab\there"),
    ],
)
def test_output_cannot_steer_the_terminal(written: bytes, shown: str) -> None:
    assert printable(written) == shown
