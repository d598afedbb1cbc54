"""`--init`: who reaps, passes signals on and gives the command's code."""

from __future__ import annotations

import os
import signal

import pytest

from lamina.runtime.errors import CommandNotFound
from lamina.runtime.isolation.sandbox import ExitStatus
from tests.runtime.launches import Bench, terminal_output

pytestmark = pytest.mark.root


def test_init_reaps_and_gives_the_commands_code(bench: Bench) -> None:
    script = (
        "sh -c 'sleep 0.05 &'; echo $$ $PPID; sleep 0.2; ps -o stat | grep -c Z; exit 9"
    )
    status, text = bench.run("sh", "-c", script, process={"init": True})
    assert status == ExitStatus(9)
    lines = text.split("\n")
    assert lines[0].endswith(" 1")
    assert lines[1] == "0", "an orphan that ended was collected"


def test_init_passes_signals_on(bench: Bench) -> None:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done"
    process = {"init": True, "user": "app"}
    with bench.start(
        "sh", "-c", script, stdio=(reader, writer, writer), process=process
    ) as sandbox:
        os.close(writer)
        assert os.read(reader, 10) == b"up\n"
        sandbox.kill(signal.SIGTERM)
        assert sandbox.wait() == ExitStatus(5)
    os.close(reader)


def test_init_tells_of_a_command_that_cannot_start(bench: Bench) -> None:
    with pytest.raises(CommandNotFound):
        bench.run("/no/such", process={"init": True})


def test_a_command_that_init_saw_killed(bench: Bench) -> None:
    status, _ = bench.run("sh", "-c", "kill -9 $$", process={"init": True})
    assert status == ExitStatus(137)


def test_init_and_a_terminal_are_one_session(bench: Bench) -> None:
    process = {"init": True, "terminal": True}
    script = "trap 'echo int; exit 4' INT; echo ready; while :; do sleep 0.01; done"
    with bench.start("sh", "-c", script, process=process) as sandbox:
        assert sandbox.terminal is not None
        assert os.read(sandbox.terminal, 100) == b"ready\r\n"
        os.write(sandbox.terminal, b"\x03")
        assert terminal_output(sandbox.terminal).count(b"int\r\n") == 1
        os.close(sandbox.terminal)
        assert sandbox.wait() == ExitStatus(4)
