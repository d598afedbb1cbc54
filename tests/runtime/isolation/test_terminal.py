"""A process with a terminal: its sizes, its keys, its owner."""

from __future__ import annotations

import os

import pytest

from lamina.runtime.isolation import terminal
from lamina.runtime.isolation.sandbox import ExitStatus
from tests.runtime.launches import Bench, terminal_output

pytestmark = pytest.mark.root


def test_a_terminal_of_its_own(bench: Bench) -> None:
    process = {"terminal": True, "console_size": (40, 132)}
    script = (
        "tty; stty size; test -t 1 && ls -l /dev/console; echo x > /dev/console; ps"
    )
    with bench.start("sh", "-c", script, process=process) as sandbox:
        assert sandbox.terminal is not None
        text = terminal_output(sandbox.terminal).decode()
        os.close(sandbox.terminal)
        assert sandbox.wait() == ExitStatus(0)
    lines = text.split("\r\n")
    assert lines[:2] == ["/dev/pts/0", "40 132"]
    assert lines[2].endswith("/dev/console")
    assert lines[3] == "x"


def test_control_c_and_sizes_reach_the_terminal(bench: Bench) -> None:
    process = {"terminal": True, "console_size": (24, 80)}
    script = "trap 'stty size; exit 3' INT; echo ready; while :; do sleep 0.01; done"
    with bench.start("sh", "-c", script, process=process) as sandbox:
        assert sandbox.terminal is not None
        assert os.read(sandbox.terminal, 100) == b"ready\r\n"
        terminal.set_size(sandbox.terminal, 30, 100)
        assert terminal.get_size(sandbox.terminal) == (30, 100)
        os.write(sandbox.terminal, b"\x03")
        assert b"30 100" in terminal_output(sandbox.terminal)
        os.close(sandbox.terminal)
        assert sandbox.wait() == ExitStatus(3)


def test_a_users_terminal_is_the_users(bench: Bench) -> None:
    process = {"terminal": True, "user": "app"}
    script = "echo a > /dev/tty; stat -c %u:%a $(tty)"
    with bench.start("sh", "-c", script, process=process) as sandbox:
        assert sandbox.terminal is not None
        assert terminal_output(sandbox.terminal) == b"a\r\n1000:620\r\n"
        os.close(sandbox.terminal)
        assert sandbox.wait() == ExitStatus(0)
