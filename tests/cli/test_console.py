"""cli.console: what people see of a build."""

from __future__ import annotations

import io

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
