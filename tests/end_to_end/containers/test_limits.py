"""Limits: seen from inside, changed while it runs, and what is used of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.end_to_end.containers.machine import PATIENCE, Machine, until

pytestmark = pytest.mark.root("limits are written to cgroups of the host")

_QUIET = ("--network", "none")


def cgroup(lamina: Machine, name: str) -> Path:
    identity = lamina.out("inspect", "-f", "{{.Id}}", name)
    found = json.loads((lamina.store / f"containers/{identity}/state.json").read_text())
    return Path(found["cgroup"])


def limit(lamina: Machine, name: str, v1: str, v2: str) -> str:
    """What a file of the container's cgroup says, in whichever hierarchy it is."""
    path = cgroup(lamina, name)
    for place in ("", *os.listdir("/sys/fs/cgroup")):
        for file in (v1, v2):
            found = Path("/sys/fs/cgroup") / place / path / file
            if found.exists():
                return found.read_text().strip()
    raise AssertionError(f"no {v1} for {name}")


def pids(lamina: Machine) -> str:
    return limit(lamina, "box", "pids.max", "pids.max")


def memory(lamina: Machine) -> str:
    return limit(lamina, "box", "memory.limit_in_bytes", "memory.max")


# update


def test_limits_change_while_it_runs_and_stay_changed(lamina: Machine) -> None:
    lamina("run", "-d", *_QUIET, "--name", "box", "busybox", "sleep", "1000")
    flags = ("-m", "64m", "--pids-limit", "50", "--cpuset-cpus", "0")
    assert lamina.out("update", *flags, "box") == "box"
    assert (memory(lamina), pids(lamina)) == (str(64 << 20), "50")
    assert lamina.out("exec", "box", "nproc") == "1"
    lamina("update", "--pids-limit", "-1", "box")
    assert (memory(lamina), pids(lamina)) == (str(64 << 20), "max")
    config = json.loads(lamina.out("inspect", "-f", "{{json .HostConfig}}", "box"))
    assert (config["Memory"], config["CpusetCpus"]) == (64 << 20, "0")
    # The next start has them, too.
    lamina("restart", "-t", "0", "box")
    assert memory(lamina) == str(64 << 20)
    assert lamina.out("exec", "box", "nproc") == "1"
    path = cgroup(lamina, "box")
    lamina("rm", "-f", "box")
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{path}"))


def test_another_policy_counts_from_now_on(lamina: Machine) -> None:
    """It ends with the first policy, and is started again by the second."""
    lamina("run", "-d", *_QUIET, "--name", "box", "busybox", "sleep", "1000")
    lamina("update", "--restart", "on-failure:1", "box")
    pid = lamina.out("inspect", "-f", "{{.State.Pid}}", "box")
    os.kill(int(pid), 9)
    until(lambda: lamina.out("inspect", "-f", "{{.RestartCount}}", "box") == "1")
    found = lamina.out("inspect", "-f", "{{json .HostConfig.RestartPolicy}}", "box")
    assert json.loads(found) == {"Name": "on-failure", "MaximumRetryCount": 1}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "one or more flags"),
        (("-m", "1m"), "Minimum memory limit"),
        (("-m", "256m"), "already set memoryswap"),
        (("--cpu-period", "50000"), "Nano CPUs and CPU Period"),
        (("--cpus", "9999"), "Range of CPUs"),
        (("--cpuset-cpus", "9999"), "not available"),
        (("--restart", "bogus"), "Invalid restart policy"),
    ],
)
def test_what_cannot_be_updated_changes_nothing(
    lamina: Machine, flags: tuple[str, ...], said: str
) -> None:
    words = ("-m", "64m", "--cpus", "0.5", "--name", "box", "busybox", "true")
    lamina("create", *_QUIET, *words)
    before = lamina.out("inspect", "box")
    done = lamina("update", *flags, "box", code=None)
    assert done.returncode in (1, 125) and said in done.stderr.decode()
    assert lamina.out("inspect", "box") == before


def test_one_that_fails_keeps_none_from_its_turn(lamina: Machine) -> None:
    lamina("create", *_QUIET, "--name", "box", "busybox", "true")
    done = lamina("update", "--pids-limit", "9", "nobody", "box", code=1)
    assert (done.stdout, b"nobody" in done.stderr) == (b"box\n", True)


# stats


def test_stats_say_what_is_used(lamina: Machine) -> None:
    script = "while :; do :; done"
    words = ("-m", "64m", "--name", "busy", "busybox", "sh", "-c", script)
    lamina("run", "-d", *_QUIET, *words)
    lamina("create", *_QUIET, "--name", "idle", "busybox", "true")

    def row(name: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(
            lamina.out("stats", "--no-stream", "--format", "json", name)
        )
        return found

    until(lambda: float(row("busy")["CPUPerc"].rstrip("%")) > 1)
    busy = row("busy")
    assert busy["MemUsage"].endswith(" / 64MiB") and busy["PIDs"] == "1"
    assert busy["NetIO"] == "0B / 0B"
    assert row("idle") == row("idle") | {"CPUPerc": "0.00%", "PIDs": "0"}
    table = lamina.out("stats", "--no-stream").splitlines()
    assert table[0].split()[:4] == ["CONTAINER", "ID", "NAME", "CPU"]
    assert [line.split()[1] for line in table[1:]] == ["busy"]
    everything = lamina.out("stats", "--no-stream", "-a", "--format", "{{.Name}}")
    assert sorted(everything.split()) == ["busy", "idle"]
    assert b"nobody" in lamina("stats", "nobody", code=1).stderr


def test_stats_go_on_until_interrupted(lamina: Machine) -> None:
    lamina("run", "-d", *_QUIET, "--name", "box", "busybox", "sleep", "1000")
    watcher = lamina.begin("stats", "--format", "{{ name }} {{ pids }}")
    assert watcher.stdout is not None
    assert [watcher.stdout.readline() for _ in range(2)] == [b"box 1\n"] * 2
    watcher.send_signal(2)
    watcher.communicate(timeout=PATIENCE)
    assert watcher.returncode == 130


# What run refuses


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--memory-swap", "8m"), "set the memory limit"),
        (("-m", "64m", "--memory-swap", "32m"), "larger than the memory limit"),
        (("-m", "8m", "--memory-reservation", "16m"), "less than the memory reserv"),
        (("--memory-reservation", "1m"), "Minimum memory reservation"),
        (("--cpus", "1", "--cpu-period", "10000"), "cannot both be set"),
        (("--cpus", "1", "--cpu-quota", "10000"), "cannot both be set"),
        (("--cpu-period", "5"), "less than 1ms"),
        (("--cpu-quota", "5"), "less than 1ms"),
        (("--cpus", "9999"), "CPUs available"),
        (("--cpuset-cpus", "0-9999"), "not available"),
        (("--cpuset-cpus", "x"), "Invalid set"),
        (("--cpuset-mems", "999"), "not available"),
        (("--memory-swappiness", "200"), "0-100"),
        (("--device-read-bps", "/dev/null:1x"), "Invalid rate"),
        (("--device-read-iops", "/dev/null:1m"), "Invalid rate"),
        (("--device-read-bps", "/dev/nowhere:1m"), "No such file"),
        (("--blkio-weight", "5"), "from 10 to 1000"),
        (("--security-opt", "no-new-privileges:x"), "Invalid security option"),
        (("--stop-signal", "BOGUS"), "Invalid signal"),
        (("--dns", "x"), "not an IP address"),
        (("--pull", "x"), "--pull"),
        (("-p", "x"), "x"),
        (("--pid", "container:nobody"), "No such container: nobody"),
        (("--volumes-from", "nobody"), "No such container: nobody"),
        (("--platform", "x"), "neither an operating system"),
    ],
)
def test_run_refuses(lamina: Machine, flags: tuple[str, ...], said: str) -> None:
    done = lamina("run", "--rm", *_QUIET, *flags, "busybox", "true", code=125)
    assert said in done.stderr.decode()
    assert lamina.left() == []


def test_a_cgroup_parent_is_made_shown_and_given_back(lamina: Machine) -> None:
    parent = f"test-shop-{os.getpid()}"
    run = ("run", "-d", *_QUIET, "--cgroupns", "host", "--cgroup-parent", f"{parent}/a")
    identity = lamina.out(*run, "--name", "box", "busybox", "sleep", "1000")
    inside = lamina.out("exec", "box", "cat", "/proc/self/cgroup").splitlines()
    below = [line for line in inside if f"/{parent}/a/{identity}" in line]
    # All but systemd's own, which has no controller.
    assert len(below) >= len(inside) - 1
    shown = lamina.out("inspect", "-f", "{{.HostConfig.CgroupParent}}", "box")
    assert shown == f"{parent}/a"
    lamina("restart", "-t", "0", "box")
    lamina("update", "--pids-limit", "50", "box")
    assert pids(lamina) == "50"
    assert list(Path("/sys/fs/cgroup").glob(f"*/{parent}/a/{identity}"))
    # Its keeper dies without a word, and who looks next gives the cgroup back.
    os.kill(lamina.keeper("box"), 9)
    until(lambda: "Exited" in lamina.out("ps", "-a"))
    until(lambda: not list(Path("/sys/fs/cgroup").glob(f"**/{parent}")))


def test_a_cgroup_parent_that_cannot_be(lamina: Machine) -> None:
    run = ("run", "--rm", *_QUIET, "--cgroup-parent")
    said = lamina(*run, "../up", "busybox", "true", code=125).stderr
    assert b"leads out" in said
    said = lamina(*run, "tasks/x", "busybox", "true", code=None).stderr
    said += lamina(*run, "cgroup.procs/x", "busybox", "true", code=125).stderr
    assert b"hint: `--cgroup-parent`" in said
    assert not lamina.out("ps", "-aq")
