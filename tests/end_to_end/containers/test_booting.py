"""Containers across the machine's restarts: `lamina system stop` and `start`.

A reboot is told by its marks: the keepers are gone, and what they wrote names another
boot.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import partial
from pathlib import Path

from tests.end_to_end.containers.machine import Machine, until

_TRAP = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"


def run(lamina: Machine, name: str, restart: str, *words: str) -> None:
    flags = ("--name", name, "--restart", restart, "--stop-timeout", "1")
    lamina("run", "-d", *flags, "busybox", *(words or ("sleep", "1000")))


def states(lamina: Machine) -> dict[str, str]:
    lines = lamina.out("ps", "-a", "--format", "{{.Names}} {{.State}}").split("\n")
    return dict(line.split(" ") for line in lines)


def reboot(lamina: Machine) -> None:
    """Kill all keepers, and have them be of another boot."""
    for place in (lamina.store / "containers").iterdir():
        file = place / "state.json"
        keeper = json.loads(file.read_text())["keeper"]
        if keeper is None:
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper["pid"], 9)
        until(partial(_is_gone, Path(f"/proc/{keeper['pid']}")))
        found = json.loads(file.read_text())
        for name in ("keeper", "init"):
            if found[name] is not None:
                found[name]["boot"] = "00000000-0000-0000-0000-000000000000"
                # The new boot has given the number to another process.
                found[name]["pid"] = os.getpid()
        file.write_text(json.dumps(found))


def _is_gone(process: Path) -> bool:
    return not process.exists()


def test_after_a_reboot_nothing_runs_until_it_is_started(lamina: Machine) -> None:
    run(lamina, "always", "always")
    run(lamina, "unless", "unless-stopped")
    run(lamina, "never", "no")
    run(lamina, "failure", "on-failure:3")
    run(lamina, "stopped", "unless-stopped")
    lamina("stop", "stopped")
    reboot(lamina)
    assert set(states(lamina).values()) == {"exited"}
    assert lamina.out("ps", "-q") == ""
    assert lamina.out("inspect", "--format", "{{.State.ExitCode}}", "always") == "137"
    started = lamina.out("system", "start").split("\n")
    assert started == ["always", "unless", "failure"]
    assert states(lamina) == {
        "always": "running",
        "unless": "running",
        "failure": "running",
        "never": "exited",
        "stopped": "exited",
    }
    assert lamina.out("exec", "always", "echo", "there") == "there"
    assert lamina.out("system", "start") == ""


def test_one_that_has_lost_its_keeper_is_found(lamina: Machine) -> None:
    run(lamina, "lost", "always")
    run(lamina, "halted", "always")
    lamina("stop", "-t", "0", "halted")
    os.kill(lamina.keeper("lost"), 9)
    until(lambda: states(lamina)["lost"] == "exited")
    assert lamina.out("system", "start", "--unless-stopped") == "lost"
    assert states(lamina) == {"lost": "running", "halted": "exited"}
    assert lamina.out("system", "start", "--unless-stopped") == ""


def test_a_machine_that_goes_down_stops_containers_as_they_want_it(
    lamina: Machine,
) -> None:
    run(lamina, "asked", "always", "sh", "-c", _TRAP)
    run(lamina, "deaf", "unless-stopped")
    until(lambda: lamina.out("logs", "asked") == "ready")
    stopped = lamina.out("system", "stop").split("\n")
    assert sorted(stopped) == ["asked", "deaf"]
    assert set(states(lamina).values()) == {"exited"}
    codes = lamina.out("inspect", "--format", "{{.State.ExitCode}}", "asked", "deaf")
    assert codes.split("\n") == ["7", "137"]
    lamina("system", "start")
    assert set(states(lamina).values()) == {"running"}


def test_one_that_is_to_share_another_s_processes_starts_after_it(
    lamina: Machine,
) -> None:
    run(lamina, "first", "always")
    run(lamina, "second", "always")
    lamina("stop", "-t", "0", "second")
    lamina("rm", "second")
    sharing = ("--pid", "container:first", "--restart", "always")
    lamina("run", "-d", "--name", "joined", *sharing, "busybox", "sleep", "1000")
    reboot(lamina)
    assert lamina.out("system", "start").split("\n") == ["first", "joined"]


def test_what_cannot_start_hinders_no_other(lamina: Machine) -> None:
    folder = lamina.store.parent / "bound"
    folder.mkdir()
    flags = ("--restart", "always", "--mount", f"type=bind,src={folder},dst=/x")
    lamina("run", "-d", "--name", "bad", *flags, "busybox", "sleep", "1000")
    run(lamina, "good", "always")
    lamina("system", "stop")
    folder.rmdir()
    done = lamina("system", "start", code=1)
    assert done.stdout == b"good\n"
    assert b"lamina: bad:" in done.stderr


def test_who_stops_what_is_being_stopped_ends_it(lamina: Machine) -> None:
    """The machine goes down, and somebody does not want to wait for that."""
    flags = ("--name", "deaf", "--stop-timeout", "1000", "--network", "none")
    lamina("run", "-d", *flags, "busybox", "sleep", "1000")
    os.kill(lamina.keeper("deaf"), 15)
    until(lambda: "signal=15" in lamina.out("events", "--since", "1m", "--until", "0s"))
    lamina("stop", "-t", "0", "deaf")
    shown = lamina.out("inspect", "-f", "{{json .State}}", "deaf")
    state = json.loads(shown)
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)
    assert not state["FinishedAt"].startswith("0001")


def test_a_keeper_that_is_to_end_lets_its_container_end_first(lamina: Machine) -> None:
    run(lamina, "kept", "no", "sh", "-c", _TRAP)
    until(lambda: lamina.out("logs", "kept") == "ready")
    os.kill(lamina.keeper("kept"), 15)
    lamina("wait", "kept")
    assert lamina.out("inspect", "--format", "{{.State.ExitCode}}", "kept") == "7"
