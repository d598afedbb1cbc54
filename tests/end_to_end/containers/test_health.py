"""Health checks: what ends them, what they may not leave, who finds the ill."""

from __future__ import annotations

import json
import time
from typing import Any

from lamina.runtime.containers.logs import nanoseconds
from tests.end_to_end.containers.machine import Machine, until

_FAST = ("--health-interval", "100ms", "--network", "none")


def health(lamina: Machine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        lamina.out("inspect", "--format", "{{json .State.Health}}", name)
    )
    return found


def test_a_check_that_hangs_is_killed_and_counts_as_failed(lamina: Machine) -> None:
    check = ("--health-cmd", "sleep 1234", "--health-timeout", "200ms")
    flags = (*check, "--health-retries", "1", *_FAST)
    lamina("run", "-d", "--name", "hung", *flags, "busybox", "sleep", "1000")
    until(lambda: health(lamina, "hung")["Status"] == "unhealthy")
    last = health(lamina, "hung")["Log"][-1]
    assert last["ExitCode"] == -1
    assert last["Output"] == "Health check exceeded timeout (0.2s)"
    # Only the one of this moment, if any, is there.
    assert lamina.out("top", "hung").count("sleep 1234") <= 1


def test_five_results_are_kept_and_output_is_cut(lamina: Machine) -> None:
    check = ("--health-cmd", "yes | head -c 100000")
    lamina("run", "-d", "--name", "loud", *check, *_FAST, "busybox", "sleep", "1000")
    until(lambda: len(health(lamina, "loud")["Log"]) == 5)
    assert health(lamina, "loud")["Status"] == "healthy"
    assert {len(result["Output"]) for result in health(lamina, "loud")["Log"]} == {4096}


def test_failures_in_the_start_period_do_not_count(lamina: Machine) -> None:
    period = ("--health-start-period", "1h", "--health-start-interval", "50ms")
    flags = ("--health-cmd", "cat /ok", "--health-retries", "1", *period, *_FAST)
    lamina("run", "-d", "--name", "slow", *flags, "busybox", "sleep", "1000")
    until(lambda: len(health(lamina, "slow")["Log"]) >= 3)
    assert health(lamina, "slow")["Status"] == "starting"
    assert health(lamina, "slow")["FailingStreak"] == 0
    lamina("exec", "slow", "touch", "/ok")
    until(lambda: health(lamina, "slow")["Status"] == "healthy")
    # It has been healthy: failures count from now on.
    lamina("exec", "slow", "rm", "/ok")
    until(lambda: health(lamina, "slow")["Status"] == "unhealthy")


def test_filters_find_the_ill(lamina: Machine) -> None:
    check = ("--health-cmd", "false", "--health-retries", "1", *_FAST)
    lamina("run", "-d", "--name", "ill", *check, "busybox", "sleep", "1000")
    lamina("run", "-d", "--name", "unchecked", "busybox", "sleep", "1000")
    names = ("ps", "--format", "{{.Names}}", "--filter")
    until(lambda: lamina.out(*names, "health=unhealthy") == "ill")
    assert lamina.out(*names, "health=none") == "unchecked"
    assert lamina.out(*names, "health=healthy") == ""
    assert b"Invalid health" in lamina("ps", "--filter", "health=x", code=1).stderr


def test_an_image_s_check_can_be_left_out(lamina: Machine) -> None:
    lamina("create", "--name", "base", "busybox")
    change = ("--change", "HEALTHCHECK --interval=100ms CMD exit 1")
    lamina("commit", *change, "base", "checked")
    lamina("run", "-d", "--name", "with", "checked", "sleep", "1000")
    lamina(
        "run", "-d", "--name", "without", "--no-healthcheck", "checked", "sleep", "9"
    )
    until(lambda: health(lamina, "with")["Log"] != [])
    shown = lamina.out("inspect", "--format", "{{json .State}}", "without")
    assert "Health" not in json.loads(shown)


def test_who_restarts_begins_anew(lamina: Machine) -> None:
    flags = ("--health-cmd", "false", "--health-retries", "1", *_FAST)
    lamina("run", "-d", "--name", "again", *flags, "busybox", "sleep", "1000")
    until(lambda: health(lamina, "again")["Status"] == "unhealthy")
    lamina("stop", "-t", "0", "again")
    before = time.time_ns()
    lamina("start", "again")
    until(lambda: health(lamina, "again")["Log"] != [])
    first = health(lamina, "again")["Log"][0]
    assert nanoseconds(first["Start"]) > before


def test_one_that_ends_at_once_needs_no_health(lamina: Machine) -> None:
    # Its namespaces may be gone before anybody could ask for its health in them.
    for _ in range(5):
        lamina.quiet("--health-cmd", "true", "busybox", "true")
        assert lamina.quiet("--health-cmd", "true", "busybox", "echo", "a") == "a"
