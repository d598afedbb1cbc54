"""The life of a container: created, started, watched, left, paused, restarted."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.containers.machine import PATIENCE, Machine, Terminal, until

_QUIET = ("--network", "none")


def inspected(lamina: Machine, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(lamina.out("inspect", name))
    return found[0]


def status(lamina: Machine, name: str) -> str:
    return str(inspected(lamina, name)["State"]["Status"])


# create, start


def test_created_then_started_as_often_as_one_likes(lamina: Machine) -> None:
    script = "echo run; echo x >> /count; exit $(wc -l < /count)"
    create = ("create", *_QUIET, "--name", "job", "busybox", "sh", "-c", script)
    identity = lamina.out(*create)
    assert len(identity) == 64
    assert lamina.out("ps", "-a", "--format", "{{.Status}}") == "Created"
    assert os.listdir(lamina.store / "live") == []
    assert lamina.out("start", "-a", "job", code=1) == "run"
    # What it changed is still there.
    assert lamina.out("start", "--attach", "job", code=2) == "run"
    assert lamina.out("start", "job") == "job"
    assert lamina.out("wait", "job") == "3"
    assert lamina.out("logs", "job") == "run\nrun\nrun"


def test_what_cannot_be_started(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "bad", "busybox", "no-such-command")
    lamina("create", *_QUIET, "--name", "fine", "busybox", "sleep", "1000")
    done = lamina("start", "bad", "nobody", "fine", code=1)
    assert done.stdout == b"fine\n"
    assert b"no-such-command" in done.stderr and b"nobody" in done.stderr
    assert status(lamina, "bad") == "created"
    assert "no-such-command" in inspected(lamina, "bad")["State"]["Error"]
    # What runs already is no error, what stands still is.
    assert lamina.out("start", "fine") == "fine"
    lamina("pause", "fine")
    assert b"paused" in lamina("start", "fine", code=1).stderr
    lamina("start", "-a", "bad", "fine", code=1)


def test_a_created_container_of_rm_goes_after_its_run(lamina: Machine) -> None:
    lamina("create", "--rm", *_QUIET, "--name", "once", "busybox", "true")
    assert lamina.out("ps", "-aq")
    lamina("start", "-a", "once")
    assert lamina.left() == []


def test_start_passes_input_on(lamina: Machine) -> None:
    lamina("create", "-i", *_QUIET, "--name", "reader", "busybox", "cat")
    assert lamina.out("start", "-ai", "reader", stdin=b"hello") == "hello"


def test_start_types_what_is_piped_into_a_terminal(lamina: Machine) -> None:
    script = ("sh", "-c", "read line; echo got $line; exit 4")
    lamina("create", *_QUIET, "-it", "--name", "job", "busybox", *script)
    shown = lamina.out("start", "-ai", "job", stdin=b"hi\n", code=4)
    assert shown.splitlines()[-1].strip() == "got hi"


def test_an_empty_signal_is_the_usual_one(lamina: Machine) -> None:
    lamina("run", "-d", *_QUIET, "--name", "box", "busybox", "sleep", "1000")
    lamina("kill", "-s", "", "box")
    assert lamina.out("wait", "box") == "137"


def test_two_starts_at_once_are_one(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "one", "busybox", "sleep", "1000")
    started = [lamina.begin("start", "one") for _ in range(4)]
    for process in started:
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, b"")
    assert len(lamina.out("top", "one").splitlines()) == 2
    assert lamina.out("ps", "--format", "{{.Names}}") == "one"


# attach and detach keys


def test_attach_shows_what_comes_and_types(lamina: Machine) -> None:
    lamina("run", "-dit", *_QUIET, "--name", "shell", "busybox", "sh")
    terminal = Terminal(lamina, "attach", "shell")
    terminal.resize(21, 43)
    terminal.type(b"stty size; echo mark\n")
    assert b"21 43" in terminal.wait_for(b"\nmark\r\n")
    terminal.type(b"\x10\x11")
    terminal.wait_for(b"read escape sequence")
    assert terminal.exit_code() == 1
    # It lives on, and can be watched again, by several.
    first, second = (Terminal(lamina, "attach", "shell") for _ in range(2))
    until(lambda: _clients(lamina, "shell") == 2)
    first.type(b"echo again; exit 7\n")
    first.wait_for(b"again\r\n")
    second.wait_for(b"again\r\n")
    assert (first.exit_code(), second.exit_code()) == (7, 7)


def test_a_container_that_was_left_by_its_keys_lives_on(lamina: Machine) -> None:
    run = ("run", "-it", *_QUIET, "--name", "left", "busybox", "sh")
    terminal = Terminal(lamina, *run)
    terminal.type(b"echo here\n")
    terminal.wait_for(b"\nhere\r\n")
    terminal.type(b"\x10")
    terminal.type(b"\x11")
    assert terminal.exit_code() == 0
    assert status(lamina, "left") == "running"
    terminal = Terminal(lamina, "attach", "--detach-keys", "ctrl-a,x", "left")
    terminal.type(b"echo \x10\x11there\n")
    terminal.wait_for(b"there")
    terminal.type(b"\x01x")
    assert terminal.exit_code() == 1
    lamina("stop", "-t", "0", "left")
    assert lamina.out("ps", "-aq", "--filter", "status=running") == ""


def test_a_command_of_exec_that_was_left_lives_on(lamina: Machine) -> None:
    lamina("run", "-d", *_QUIET, "--name", "host", "busybox", "sleep", "1000")
    script = (
        "echo up; while [ ! -e /go ]; do sleep 0.1; done; yes | head -c 300000; "
        "echo done > /done; sleep 99"
    )
    terminal = Terminal(lamina, "exec", "-it", "host", "sh", "-c", script)
    terminal.wait_for(b"up\r\n")
    terminal.type(b"\x10\x11")
    terminal.wait_for(b"read escape sequence")
    assert terminal.exit_code() == 1
    # What it writes with nobody there does not stop it.
    lamina("exec", "host", "touch", "/go")
    until(lambda: lamina("exec", "host", "cat", "/done", code=None).returncode == 0)
    assert "sleep 99" in lamina.out("top", "host")


def test_attach_is_refused_with_docker_s_words(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "new", "busybox", "sleep", "1000")
    assert b"stopped container" in lamina("attach", "new", code=1).stderr
    lamina("start", "new")
    lamina("pause", "new")
    assert b"paused container" in lamina("attach", "new", code=1).stderr
    lamina("attach", "nobody", code=1)
    lamina("attach", "--detach-keys", "bogus", "new", code=1)


def test_attach_gets_the_exit_code_and_passes_signals(lamina: Machine) -> None:
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    lamina("run", "-d", *_QUIET, "--name", "trap", "busybox", "sh", "-c", script)
    until(lambda: lamina.out("logs", "trap") == "ready")
    watching = lamina.begin("attach", "trap")
    leaving = lamina.begin("attach", "--sig-proxy=false", "trap")
    until(lambda: _clients(lamina, "trap") == 2)
    leaving.send_signal(signal.SIGTERM)
    leaving.communicate(timeout=PATIENCE)
    assert status(lamina, "trap") == "running"
    watching.send_signal(signal.SIGTERM)
    assert watching.communicate(timeout=PATIENCE)[0] == b"got\n"
    assert watching.returncode == 9


def _clients(lamina: Machine, name: str) -> int:
    """How many connections a container's keeper has beside its listener."""
    fds = f"/proc/{lamina.keeper(name)}/fd"
    links = [os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)]
    return sum(link.startswith("socket:") for link in links) - 1


def test_run_without_sig_proxy_is_left_by_ctrl_c(lamina: Machine) -> None:
    run = ("run", "--sig-proxy=false", *_QUIET, "--name", "stays", "busybox")
    process = lamina.begin(*run, "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert status(lamina, "stays") == "running"


# pause, restart, stop


def test_what_is_paused_stands_still(lamina: Machine) -> None:
    script = "while :; do echo x; sleep 0.02; done"
    lamina("run", "-d", *_QUIET, "--name", "busy", "busybox", "sh", "-c", script)
    until(lambda: lamina.out("logs", "busy") != "")
    assert lamina.out("pause", "busy") == "busy"
    before = lamina.out("logs", "busy")
    assert "(Paused)" in lamina.out("ps")
    assert inspected(lamina, "busy")["State"]["Paused"]
    assert b"is paused" in lamina("exec", "busy", "true", code=1).stderr
    assert b"already paused" in lamina("pause", "busy", code=1).stderr
    assert lamina.out("logs", "busy") == before
    lamina("unpause", "busy")
    until(lambda: lamina.out("logs", "busy") != before)
    assert b"not paused" in lamina("unpause", "busy", code=1).stderr
    # Stopping lets it go on first.
    lamina("pause", "busy")
    lamina("stop", "-t", "0", "busy")
    assert lamina.out("wait", "busy") == "137"
    assert b"not running" in lamina("pause", "busy", code=1).stderr


def test_restart_begins_anew_with_what_was_changed(lamina: Machine) -> None:
    script = "echo x >> /count; echo $(wc -l < /count); exec sleep 1000"
    lamina("run", "-d", *_QUIET, "--name", "again", "busybox", "sh", "-c", script)
    assert lamina.out("restart", "-t", "0", "again") == "again"
    until(lambda: lamina.out("logs", "again") == "1\n2")
    lamina("kill", "again")
    lamina("wait", "again")
    lamina("restart", "again")
    until(lambda: lamina.out("logs", "again") == "1\n2\n3")
    lamina("restart", "nobody", code=1)


def test_restart_keeps_what_was_to_be_removed_at_its_end(lamina: Machine) -> None:
    run = ("run", "-d", "--rm", *_QUIET, "--name", "kept", "-v", "/v", "busybox")
    lamina(*run, "sh", "-c", "echo x >> /f; exec sleep 1000")
    until(lambda: lamina.out("exec", "kept", "cat", "/f", code=None) == "x")
    lamina("restart", "-t", "0", "kept")
    until(lambda: lamina.out("exec", "kept", "cat", "/f", code=None) == "x\nx")
    lamina("stop", "-t", "0", "kept")
    until(lambda: lamina.left() == [])


# restart policies


def test_a_failure_is_tried_again_as_often_as_was_said(lamina: Machine) -> None:
    run = ("run", "-d", *_QUIET, "--restart", "on-failure:2", "--name", "fail")
    lamina(*run, "busybox", "sh", "-c", "echo x; exit 5")
    until(lambda: status(lamina, "fail") == "exited")
    found = inspected(lamina, "fail")
    assert found["RestartCount"] == 2
    assert found["State"]["ExitCode"] == 5
    policy = {"Name": "on-failure", "MaximumRetryCount": 2}
    assert found["HostConfig"]["RestartPolicy"] == policy
    assert lamina.out("logs", "fail") == "x\nx\nx"
    # What succeeds is left alone.
    lamina("run", *_QUIET, "--restart", "on-failure", "--name", "ok", "busybox", "true")
    assert status(lamina, "ok") == "exited"


def _says_restarting(lamina: Machine, words: tuple[str, ...]) -> bool:
    return b"restarting" in lamina(*words, code=None).stderr


def test_the_first_end_is_that_of_a_foreground_run(lamina: Machine) -> None:
    run = ("run", *_QUIET, "--restart", "always", "--name", "on", "busybox")
    done = lamina(*run, "sh", "-c", "echo x; exit 4", code=4)
    assert done.stdout == b"x\n"
    until(lambda: lamina.out("logs", "on").count("x") > 1)
    until(lambda: status(lamina, "on") == "restarting")
    # It may be running again for a moment.
    until(lambda: "Restarting (4)" in lamina.out("ps"))
    for words in (("attach", "on"), ("exec", "on", "true"), ("rm", "on")):
        until(partial(_says_restarting, lamina, words))
    lamina("stop", "on")
    assert status(lamina, "on") == "exited"
    assert os.listdir(lamina.store / "live") == []


@pytest.mark.parametrize("way", ["stop", "kill", "rm"])
def test_what_the_user_ends_is_not_restarted(lamina: Machine, way: str) -> None:
    run = ("run", "-d", *_QUIET, "--restart", "always", "--name", "end", "busybox")
    lamina(*run, "sleep", "1000")
    words = {"stop": ("stop", "-t", "0"), "kill": ("kill",), "rm": ("rm", "-f")}[way]
    lamina(*words, "end")
    if way != "rm":
        assert lamina.out("wait", "end") == "137"
        until(lambda: status(lamina, "end") == "exited")
    assert lamina.out("ps", "-q") == ""
    assert os.listdir(lamina.store / "live") == []


def test_another_signal_ends_no_policy(lamina: Machine) -> None:
    script = "trap 'exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    run = ("run", "-d", *_QUIET, "--restart", "always", "--name", "usr", "busybox")
    lamina(*run, "sh", "-c", script)
    until(lambda: lamina.out("logs", "usr") == "ready")
    lamina("kill", "-s", "USR1", "usr")
    until(lambda: lamina.out("logs", "usr") == "ready\nready")
    # From within, too; the command may be killed with the container.
    lamina("exec", "usr", "kill", "-USR1", "1", code=None)
    until(lambda: lamina.out("logs", "usr") == "ready\nready\nready")


def test_a_restarted_container_has_its_volumes_and_its_address(
    lamina: Machine, tmp_path: Path
) -> None:
    script = (
        "cat /proc/mounts | grep -c ' /host '; ip -4 -o addr show eth0 | wc -l; exit 1"
    )
    run = ("run", "-d", "--restart", "on-failure:1", "-v", f"{tmp_path}:/host")
    lamina(*run, "--name", "vol", "busybox", "sh", "-c", script)
    until(lambda: status(lamina, "vol") == "exited")
    assert lamina.out("logs", "vol").split() == ["1", "1", "1", "1"]


# health


def test_health_is_seen_by_ps_inspect_and_is_told(lamina: Machine) -> None:
    check = ("--health-cmd", "cat /ok", "--health-retries", "2")
    run = ("run", "-d", *_QUIET, *check, "--name")
    lamina(*run, "new", "busybox", "sleep", "1000")
    assert "(health: starting)" in lamina.out("ps")
    lamina("rm", "-f", "new")
    lamina(*run, "ill", "--health-interval", "100ms", "busybox", "sleep", "1000")
    until(lambda: "(unhealthy)" in lamina.out("ps"))
    found = inspected(lamina, "ill")["State"]["Health"]
    assert found["Status"] == "unhealthy" and found["FailingStreak"] >= 2
    assert found["Log"][0]["ExitCode"] == 1 and "/ok" in found["Log"][0]["Output"]
    lamina("exec", "ill", "touch", "/ok")
    until(lambda: "(healthy)" in lamina.out("ps"))
    # Nobody asks what stands still.
    lamina("pause", "ill")
    before = inspected(lamina, "ill")["State"]["Health"]["Log"]
    assert "(Paused)" in lamina.out("ps")
    assert inspected(lamina, "ill")["State"]["Health"]["Log"] == before
    lamina("unpause", "ill")
    until(lambda: inspected(lamina, "ill")["State"]["Health"]["Log"] != before)
