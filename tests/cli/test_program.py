"""What begins before a command line is understood."""

from __future__ import annotations

import pytest

from lamina.cli.program import starts
from lamina.cli.spellings import position_of_command


@pytest.mark.parametrize(
    "line",
    [
        "run busybox",
        "--root /store run --rm busybox true",
        "container run busybox",
        "start -a box",
        "run --pids-limit 10 busybox",
    ],
)
def test_a_container_is_started(line: str) -> None:
    assert starts(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--version",
        "ps",
        "exec box run",
        "build --tag run .",
        "container ls",
        "container",
        "run --help",
        # Another kind of keeper.
        "run --pid host busybox",
        "run --pid=container:other busybox",
    ],
)
def test_nothing_begins(line: str) -> None:
    assert not starts(line.split())


def test_options_of_lamina_come_before_the_command() -> None:
    assert position_of_command(["--root", "run", "ps"]) == 2
    assert position_of_command(["--root=run", "ps"]) == 1
