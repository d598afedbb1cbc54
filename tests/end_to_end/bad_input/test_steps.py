"""Steps that fail, are killed, interrupted or never stop; nothing is left of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.bad_input.refusals import refused
from tests.end_to_end.bases import (
    Lamina,
    interrupt,
    project,
    wait_for_line,
)


def test_a_step_that_fails(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN echo > /kept\n"
        "RUN for i in $(seq 50); do echo line $i; done; exit 42\n",
    )
    done = lamina.run("build", "-q", folder, code=1)
    assert done.out == ""
    assert "ended with exit code 42" in done.err
    assert "| line 50" in done.err and "line 2\n" not in done.err
    assert "app/Recipe:3:1" in done.err and ">>> RUN for" in done.err
    # What was made before is kept: only the failed step runs again.
    again = lamina.run("build", folder, code=1)
    assert again.steps["RUN echo > /kept"] == "CACHED"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nowhere", ("exit code 127", "hint:")),
        ('["nowhere"]', ("'nowhere' was not found in $PATH", "hint:")),
        ('["/etc/motd"]', ("'/etc/motd' cannot be executed",)),
        ("sh -c 'kill -9 $$'; exit $?", ("exit code 137",)),
    ],
)
def test_a_command_that_does_not_run(
    lamina: Lamina, tmp_path: Path, command: str, words: tuple[str, ...]
) -> None:
    said = refused(lamina, project(tmp_path / "app", f"FROM busybox\nRUN {command}\n"))
    assert "at app/Recipe:2:" in said
    assert all(word in said for word in words), said


def test_a_step_that_is_killed(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN sleep 1000.4711\n")
    process = lamina.start("build", folder)
    while not (victims := _pids_of("1000.4711", "sleep")):
        assert process.poll() is None
    os.kill(victims[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"137" in err or b"killed by signal 9" in err


def _pids_of(argument: str, program: str) -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_text().split("\0")
        except OSError:
            continue
        if words[0].endswith(program) and argument in words:
            found.append(int(name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_a_step_hangs(
    lamina: Lamina, tmp_path: Path, number: signal.Signals
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS a\nRUN trap '' INT; echo ready; while :; do sleep 1; done\n"
        "FROM busybox AS b\nRUN echo ready; sleep 1000\n"
        "FROM scratch\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n",
    )
    process = lamina.start("build", "--jobs", "2", folder)
    wait_for_line(process, "ready")
    done = interrupt(process, number)
    assert done.code == 128 + number
    assert "Traceback" not in done.err


def test_ctrl_c_of_a_waiting_build(lamina: Lamina, tmp_path: Path) -> None:
    """Two builds want one step; the one that only waits can be interrupted."""
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo ready; sleep 5\n")
    first = lamina.start("build", folder)
    wait_for_line(first, "ready")
    second = lamina.start("build", folder)
    wait_for_line(second, "RUN")
    assert interrupt(second).code == 130
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_a_fork_bomb_ends_at_the_limit(lamina: Lamina, tmp_path: Path) -> None:
    # Bounded: nobody forks below the fourteenth generation, all are gone in a minute.
    bomb = "bomb() { [ $1 -gt 13 ] || { bomb $(($1+1)) & bomb $(($1+1)) & }; sleep 8; }"
    folder = project(tmp_path / "app", f"FROM busybox\nRUN {bomb}; bomb 1; exit 7\n")
    done = lamina.run("build", folder, code=1)
    assert "can't fork" in done.err and "ended with exit code" in done.err


def test_a_step_with_much_output(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN head -c 20000000 /dev/zero | tr '\\0' x; echo; exit 3\n",
    )
    done = lamina.run("build", "-q", folder, code=1)
    assert len(done.err) < 200_000
    assert "exit code 3" in done.err
