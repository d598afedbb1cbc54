"""Detached containers, and what becomes of those whose keeper or caller is killed."""

from __future__ import annotations

import os
import signal
import time

from tests.end_to_end.containers.machine import (
    Machine,
    until,
)


def test_a_detached_container_lives_on(lamina: Machine) -> None:
    script = "echo one; echo two >&2; sleep 1000"
    run = ("run", "-d", "--network", "none", "--name", "job", "-l", "k=v")
    identity = lamina.out(*run, "busybox", "sh", "-c", script)
    assert len(identity) == 64
    row = lamina.out("ps", "--format", "{{.ID}} {{.Image}} {{.Names}} {{.State}}")
    assert row == f"{identity[:12]} busybox job running"
    until(lambda: lamina("logs", "job").stdout == b"one\n")
    assert lamina("logs", "job").stderr == b"two\n"
    assert "sleep 1000" in lamina.out("top", "job")
    done = lamina("rm", "job", code=1)
    assert b"running container" in done.stderr
    assert lamina.out("stop", "-t", "0", "job") == "job"
    assert lamina.out("wait", "job") == "137"
    assert lamina.out("ps").count("\n") == 0
    assert lamina.out("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")
    assert lamina.out("rm", "job") == "job"
    assert lamina.left() == []


def test_a_name_is_given_once(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "once", "busybox")
    lamina(*run, "sleep", "1000")
    done = lamina(*run, "true", code=125)
    assert b'"/once" is already in use' in done.stderr
    lamina("rename", "once", "other")
    assert lamina.out("ps", "--format", "{{.Names}}") == "other"
    lamina(*run, "true")
    assert lamina.out("wait", "once") == "0"


def test_a_detached_start_that_fails_has_the_code(lamina: Machine) -> None:
    done = lamina("run", "-d", "--rm", "--network", "none", "busybox", "nope", code=127)
    assert b"nope" in done.stderr
    # Docker's, too, names what it has made and could not start.
    assert len(done.stdout) == 65
    assert lamina.left() == []


def test_the_stop_signal_and_the_code_that_comes_of_it(lamina: Machine) -> None:
    script = "trap 'exit 4' USR1; echo ready; while :; do sleep 0.1; done"
    run = ("run", "-d", "--network", "none", "--stop-signal", "USR1", "--name", "st")
    lamina(*run, "busybox", "sh", "-c", script)
    until(lambda: lamina("logs", "st").stdout == b"ready\n")
    lamina("stop", "st")
    assert lamina.out("wait", "st") == "4"
    done = lamina("kill", "st", code=1)
    assert b"not running" in done.stderr


def test_what_is_removed_at_its_end_leaves_nothing(lamina: Machine) -> None:
    run = ("run", "-d", "--rm", "--network", "none", "busybox")
    lamina(*run, "sleep", "0.2")
    until(lambda: lamina.left() == [])


def test_a_killed_keeper_takes_its_container_along(lamina: Machine) -> None:
    run = ("run", "-d", "--network", "none", "--name", "orphan", "busybox")
    lamina(*run, "sleep", "4242")
    pid = lamina.out("inspect", "--format", "{{.State.Pid}}", "orphan")
    os.kill(lamina.keeper("orphan"), signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert lamina.out("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")
    assert os.listdir(lamina.store / "live") == []
    lamina("rm", "orphan")
    assert lamina.left() == []


def test_a_killed_foreground_run_leaves_nothing_running(lamina: Machine) -> None:
    process = lamina.begin(
        *("run", "--rm", "--network", "none", "busybox", "sh", "-c"),
        "echo ready; sleep 4243",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    pid = lamina.out("ps", "-q")
    init = lamina.out("inspect", "--format", "{{.State.Pid}}", pid)
    process.kill()
    process.communicate()
    until(lambda: not os.path.exists(f"/proc/{init}"))
    assert lamina.out("ps", "-aq") == ""
    assert lamina.left() == []


def test_runs_killed_at_any_moment_leave_nothing(lamina: Machine) -> None:
    """What a death leaves is given back by the next command that looks."""
    for moment in range(15):
        run = ("run", "--network", "none", "-v", "/own", "busybox", "sleep", "0.02")
        process = lamina.begin(*run)
        time.sleep(0.02 * moment)
        process.kill()
        process.communicate()
    made = lamina.out("ps", "-aq").split()
    if made:
        lamina("rm", "-f", "-v", *made)
    lamina("ps", "-a")
    # A deletion that was cut short is finished by `system prune`.
    assert [name for name in lamina.left() if not name.startswith("trash/")] == []
    lamina("system", "prune", "-f")
    assert lamina.left() == []


def test_a_process_in_the_background_dies_with_the_container(lamina: Machine) -> None:
    assert lamina.quiet("busybox", "sh", "-c", "sleep 1000 & echo hi") == "hi"


def test_a_damaged_record_hides_no_other_and_can_be_removed(lamina: Machine) -> None:
    for name in ("hurt", "fine"):
        lamina("run", "--network", "none", "--name", name, "busybox", "true")
    identity = lamina.out("inspect", "--format", "{{.Id}}", "hurt")
    (lamina.store / "containers" / identity / "state.json").write_bytes(b"")
    done = lamina("ps", "-a", "--format", "{{.Names}}")
    assert done.stdout == b"fine\n" and identity[:12].encode() in done.stderr
    lamina("rm", "hurt", code=1)
    lamina("rm", "-f", "hurt", "fine")
    assert lamina("ps", "-a").stderr == b""
    lamina("run", "--rm", "--network", "none", "--name", "hurt", "busybox", "true")
