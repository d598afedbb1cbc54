"""A step that failed: what is said, what was written, and the way in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.bases import Done, Lamina, interrupt, project

FAILING = """\
FROM busybox AS base
ENV COLOUR=red
WORKDIR /srv
RUN echo early; echo 1 > kept
FROM base
RUN --mount=type=secret,id=word,target=/word,required=false \\
    seq 40; echo half > done; rm kept; exit 7
"""


def build_id(done: Done) -> str:
    """The build that the hint of a failure names."""
    return done.err.rpartition("lamina shell ")[2].split()[0]


def test_a_failed_step_can_be_looked_into(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", FAILING)
    (tmp_path / "word").write_text("sesame")
    secret = ("--secret", f"id=word,src={tmp_path / 'word'}")
    failed = lamina.run("build", *secret, folder, code=1)
    assert "ended with exit code 7 after" in failed.err
    assert "  | 40\n" in failed.err and "  | 10\n" not in failed.err
    identity = build_id(failed)

    def inside(command: str, *args: str | Path) -> str:
        return lamina.run("shell", identity, *args, "-c", command).out

    assert inside("pwd; ls; cat done; echo $COLOUR") == "/srv\ndone\nhalf\nred\n"
    assert inside("cat /word", *secret) == "sesame"
    # What is done in a shell is not there in the next one.
    assert inside("rm done; ls") == ""
    assert inside("ls; ls /word 2>&1; true").startswith("done\nls: /word")
    assert inside("ls", "--step", "echo early") == "kept\n"
    assert inside("ls", "--target", "base") == "kept\n"
    assert lamina.run("shell", "-c", "exit 3", code=3).out == ""
    # No file of the store has the secret, and the kept root is no layer.
    assert not subprocess.run(
        ["grep", "-rl", "sesame", lamina.store], stdout=subprocess.PIPE, check=False
    ).stdout
    lamina.check()
    mended = FAILING.replace("exit 7", "true")
    lamina.run("build", project(tmp_path / "mended", mended))
    # A build that did not fail is entered where it ended.
    assert lamina.run("shell", "-c", "ls").out == "done\n"


def test_logs_are_whole_and_found_again(lamina: Lamina, tmp_path: Path) -> None:
    recipe = "FROM busybox\nRUN seq 20000\nRUN printf '\\033[1mbold\\0' >&2\nRUN true\n"
    folder = project(tmp_path / "app", recipe)
    lamina.run("build", folder)
    whole = "".join(f"{n}\n" for n in range(1, 20001))
    assert lamina.run("log", "last", "1").out == whole
    assert lamina.run("log", "last", "printf").out == "\033[1mbold\0"
    # In another build the same step is in the cache: its log is that of its run.
    lamina.run("build", project(tmp_path / "next", recipe + "RUN echo more\n"))
    assert lamina.run("log", "last", "seq").out == whole
    lines = lamina.run("log", "last", "--json").out.splitlines()
    steps = [json.loads(line) for line in lines]
    assert [step["outcome"] for step in steps] == ["cached"] * 3 + ["done"]
    assert [json.loads(line)["outcome"] for line in _listed(lamina)] == ["built"] * 2
    assert "no builds" in lamina.run("log", "zzz", code=1).err


def _listed(lamina: Lamina) -> list[str]:
    return lamina.run("log", "--json").out.splitlines()


def test_a_build_is_followed(lamina: Lamina, tmp_path: Path) -> None:
    recipe = "FROM busybox\nRUN echo one; sleep 1; echo two\nRUN echo three\n"
    build = lamina.start("build", project(tmp_path / "app", recipe))
    deadline = time.monotonic() + 60
    while not [*lamina.store.glob("builds/*/1.log")]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    told = lamina.run("log", "-f", "last").out
    build.communicate()
    words = [line for line in told.splitlines() if line in ("one", "two", "three")]
    assert words == ["one", "two", "three"]
    assert ": built after" in told


def test_what_does_not_stand_on_a_failure_goes_on(
    lamina: Lamina, tmp_path: Path
) -> None:
    stages = "".join(
        f"FROM busybox AS s{n}\nRUN echo {n}; exit {n}\nRUN echo on\n" for n in range(3)
    )
    last = "FROM busybox\n" + "".join(
        f"COPY --from=s{n} /etc /e{n}\n" for n in range(3)
    )
    folder = project(tmp_path / "app", stages + last)
    done = lamina.run("build", "--keep-going", "--jobs", "1", folder, code=1)
    assert "2 steps failed" in done.err
    assert "exit code 1" in done.err and "exit code 2" in done.err
    assert done.ran == ["COPY --from=s0 /etc /e0", "RUN echo 0; exit 0", "RUN echo on"]
    for jobs in ("0", "-2"):
        assert "--jobs" in lamina.run("build", "--jobs", jobs, folder, code=1).err


def test_steps_have_limits(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN tail /dev/zero\n")
    limits = ("--memory", "48m", "--cpus", "1.5")
    done = lamina.run("build", *limits, folder, code=1)
    assert "Out of memory" in done.err and "48 MiB" in done.err


def test_a_shell_at_once(lamina: Lamina, tmp_path: Path) -> None:
    """With `--on-error=shell` secrets need not be given again."""
    folder = project(tmp_path / "app", FAILING)
    (tmp_path / "word").write_text("sesame")
    done = lamina.run(
        *("build", "--on-error=shell", "--secret", f"id=word,src={tmp_path / 'word'}"),
        folder,
        code=1,
        given="cat /word done; exit 0\n",
    )
    assert done.out == "sesamehalf\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_build(lamina: Lamina, tmp_path: Path, number: int) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo on; sleep 100\n")
    process = lamina.start("build", folder)
    assert process.stderr is not None
    while b" on" not in process.stderr.readline():
        pass
    os.kill(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert lamina.left_behind() == []
    assert "cancelled" in lamina.run("log").out


def test_an_interrupt_while_another_build_has_the_step(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo on; sleep 5\n")
    first = lamina.start("build", folder)
    assert first.stderr is not None
    while b" on" not in first.stderr.readline():
        pass
    second = lamina.start("build", folder)
    assert second.stderr is not None
    while b"RUN echo on" not in second.stderr.readline():
        pass
    assert interrupt(second).code == 130
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_equal_steps_of_two_stages_run_once(lamina: Lamina, tmp_path: Path) -> None:
    step = "RUN head -c 16 /dev/urandom > /x; echo ran$((1+1))\n"
    recipe = (
        f"FROM busybox AS a\n{step}FROM busybox\n{step}COPY --from=a /x /y\n"
        "RUN cmp /x /y\n"
    )
    folder = project(tmp_path / "app", recipe)
    done = lamina.run("build", "--no-cache", "--jobs", "3", folder)
    assert sum(line.endswith(" ran2") for line in done.err.splitlines()) == 1


def test_a_chain_of_300_stages(lamina: Lamina, tmp_path: Path) -> None:
    chain = "FROM busybox AS s0\nRUN echo 0 > /n\n" + "".join(
        f"FROM s{n - 1} AS s{n}\nENV N={n}\n" for n in range(1, 300)
    )
    folder = project(tmp_path / "app", chain + "RUN cat /n; test $N = 299\n")
    lamina.run("build", folder)
