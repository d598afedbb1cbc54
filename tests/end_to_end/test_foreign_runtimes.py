"""`run --runtime`: runc, crun and `lamina-runtime` itself launch Lamina's containers.

What users see is the same as without: exit codes, streams, terminals, exec, restarts;
and whatever dies leaves nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from lamina.runtime.isolation.userns import subordinate
from tests.end_to_end.bases import Lamina
from tests.runtime.bundles.running import exists, until
from tests.runtime.oci import PROGRAM


@pytest.fixture
def ids() -> None:
    if os.geteuid() and not subordinate("/etc/subuid", os.getuid()):
        pytest.skip("takes more than one id")


@pytest.fixture(params=["runc", "crun", PROGRAM], ids=["runc", "crun", "lamina"])
def flags(request: pytest.FixtureRequest, ids: None) -> tuple[str, ...]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return ("--runtime", request.param, "--network", "none")


def test_exit_codes_and_streams(lamina: Lamina, flags: tuple[str, ...]) -> None:
    done = lamina.run(
        "run", "--rm", *flags, "busybox", "sh", "-c", "echo o; echo e >&2"
    )
    assert (done.code, done.out, done.err) == (0, "o\n", "e\n")
    for words, code in (
        (("sh", "-c", "exit 3"), 3),
        (("nothere",), 127),
        (("/etc/motd",), 126),
    ):
        lamina.run("run", "--rm", *flags, "busybox", *words, code=code)
    done = lamina.run("run", "--rm", "-i", *flags, "busybox", "cat", given="fed\n")
    assert done.out == "fed\n"


def test_a_terminal(lamina: Lamina, flags: tuple[str, ...]) -> None:
    done = lamina.run("run", "--rm", "-t", *flags, "busybox", "tty")
    assert (done.code, done.out) == (0, "/dev/pts/0\r\n")


def test_what_was_asked_of_it(
    lamina: Lamina, flags: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("of the host\n")
    done = lamina.run(
        *("run", "--rm", *flags, "-e", "A=b", "-w", "/tmp", "--hostname", "named"),
        *("-v", f"{tmp_path / 'file'}:/v:ro", "--tmpfs", "/scratch", "--read-only"),
        *("--pids-limit", "50", "--cap-drop", "ALL", "--cap-add", "CHOWN"),
        *("--ulimit", "nofile=99:99", "busybox", "sh", "-c"),
        "echo $A; pwd; hostname; cat /v; touch /x 2>/dev/null || touch /scratch/x;"
        "ls /scratch; ulimit -n; cat /sys/fs/cgroup/pids/pids.max; "
        "grep -E 'CapBnd|Seccomp:' /proc/self/status; (>/v) 2>/dev/null || echo ro",
    )
    words = done.out.split()
    assert words[:6] == ["b", "/tmp", "named", "of", "the", "host"]
    assert words[6:8] == ["x", "99"]
    assert words[-5:] == ["CapBnd:", "0000000000000001", "Seccomp:", "2", "ro"]


def test_the_user_is_found_in_the_image(lamina: Lamina, flags: tuple[str, ...]) -> None:
    done = lamina.run("run", "--rm", *flags, "-u", "guest", "busybox", "id")
    assert "uid=1000(guest)" in done.out
    assert "50(extra)" in done.out


def test_one_that_lives_on(lamina: Lamina, flags: tuple[str, ...]) -> None:
    lamina.run("run", "-d", "--name", "lives", *flags, "busybox", "sleep", "1000")
    done = lamina.run("exec", "lives", "sh", "-c", "echo in; exit 5", code=5)
    assert done.out == "in\n"
    assert "Up" in lamina.run("ps").out
    lamina.run("stop", "-t", "0", "lives")
    assert "Exited (137)" in lamina.run("ps", "-a").out
    lamina.run("start", "lives")
    lamina.run("exec", "lives", "true")
    lamina.run("rm", "-f", "lives")


def test_it_is_restarted(lamina: Lamina, flags: tuple[str, ...]) -> None:
    script = "echo again >> /count; test $(wc -l < /count) = 3"
    words = ("--restart", "on-failure:5", "busybox", "sh", "-c", script)
    lamina.run("run", "-d", "--name", "again", *flags, *words)

    def state() -> dict[str, object]:
        found = json.loads(lamina.run("inspect", "again").out)[0]
        return {**found["State"], "count": found["RestartCount"]}

    until(lambda: state()["Status"] == "exited")
    assert (state()["ExitCode"], state()["count"]) == (0, 2)
    lamina.run("rm", "again")


def test_a_keeper_that_is_killed_takes_it_along(
    lamina: Lamina, flags: tuple[str, ...]
) -> None:
    script = "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &); sleep 1000"
    lamina.run("run", "-d", "--name", "gone", *flags, "busybox", "sh", "-c", script)
    found = json.loads(lamina.run("inspect", "gone").out)[0]
    pid = found["State"]["Pid"]
    stat = Path(f"/proc/{pid}/stat").read_text()
    keeper = int(stat.rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not exists(pid))
    assert "Exited (137)" in lamina.run("ps", "-a").out
    lamina.run("rm", "gone")
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{found['Id']}*"))
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        assert found["Id"] not in file.read()


def test_what_cannot_be(lamina: Lamina) -> None:
    done = lamina.run(
        "run", "--rm", "--runtime", "nothere", "busybox", "true", code=125
    )
    assert "The runtime 'nothere' was not found." in done.err
    done = lamina.run(
        "run", "--rm", "--runtime", "runc", "--init", "busybox", "true", code=125
    )
    assert "Leave out `--init` or `--runtime`." in done.err


def test_a_runtime_that_is_no_runtime(
    lamina: Lamina, tmp_path: Path, ids: None
) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    done = lamina.run(
        "run", "--rm", "--runtime", str(script), "busybox", "true", code=125
    )
    assert "broken ended with exit code 9" in done.err
    assert lamina.run("ps", "-aq").out == ""


def test_a_cgroup_parent_is_given_back(lamina: Lamina, flags: tuple[str, ...]) -> None:
    """Other runtimes put processes into a hierarchy of systemd's as well."""
    parent = f"test-foreign-{os.getpid()}"
    asked = ("--cgroup-parent", f"{parent}/a", "--cgroupns", "host")
    words = ("busybox", "cat", "/proc/self/cgroup")
    assert f"/{parent}/a/" in lamina.run("run", "--rm", *flags, *asked, *words).out
    lamina.run("run", "--rm", *flags, *asked, "busybox", "nothere", code=127)
    until(lambda: not list(Path("/sys/fs/cgroup").glob(f"**/{parent}")))
