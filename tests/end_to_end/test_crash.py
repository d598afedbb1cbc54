"""`kill -9` at any moment: nothing runs on, nothing stays mounted or half written.

The moments are drawn with a seed, so that a failure can be had again: the number of
the test is in its name.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, interrupt, project

KILLS = 200
GROUPS = 8
# After so many the store is looked at: a check takes as long as a build.
CHECKED = 5

RECIPE = """\
FROM busybox AS tools
RUN --mount=type=cache,target=/c mkdir -p /out && echo 1 > /out/one && date >> /c/log
RUN head -c 300000 /dev/urandom > /big && rm /big && echo 2 > /out/two
FROM busybox AS other
COPY tree /tree
RUN (sleep 100 &) ; for i in 1 2 3; do echo $i > /f$i; done
FROM busybox
WORKDIR /srv
COPY --from=tools /out /srv/out
COPY --from=other /f1 /f2 /f3 /srv/
ADD files.tar /added/
RUN cat /srv/f1 /srv/out/one > /srv/all
TEST test -s /srv/all
"""


@pytest.fixture
def app(lamina: Lamina, tmp_path: Path) -> Path:
    tree = {f"tree__{n}": f"{n}\n" * 200 for n in range(40)}
    folder = project(tmp_path / "app", RECIPE, **tree)
    lamina.run("save", "-o", folder / "files.tar", "busybox")
    return folder


def machine(app: Path, name: str) -> Lamina:
    """A new store with the base."""
    made = Lamina(app.parent, app.parent / name)
    made.run("load", "-i", app / "files.tar")
    return made


def kill_after(lamina: Lamina, seconds: float, *args: str | Path) -> None:
    process = lamina.start(*args)
    time.sleep(seconds)
    process.kill()
    process.communicate()


def duration_of(lamina: Lamina, *args: str | Path) -> float:
    """How long a command takes; only to know which moments there are."""
    began = time.monotonic()
    lamina.run(*args)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_a_killed_build(app: Path, group: int) -> None:
    """Each kill is followed by nothing that still runs; the last one by a build. An
    archive has its name when it is whole, and a cache for others can be read."""
    moments = random.Random(group)
    lamina, other = (machine(app, name) for name in ("first", "other"))
    image, cache = app.parent / "image.tar", app.parent / "cache"
    shared = f"type=local,dest={cache},mode=max,mounts=true"
    writes = ("-o", f"type=oci,dest={image}", "--cache-to", shared)
    build = ("build", "--no-cache", *writes, app)
    whole = duration_of(lamina, *build)
    for number in range(KILLS // GROUPS):
        # A fresh step or two each time, so that the layers are new as well.
        (app / "tree" / "0").write_text(f"{group} {number}\n")
        image.unlink(missing_ok=True)
        kill_after(lamina, moments.uniform(0, whole), *build)
        if image.exists():
            lamina.run("load", "-i", image)
        if number % CHECKED == 0:
            lamina.check()
    assert "killed" in lamina.run("log").out
    lamina.run("log", "last")
    done = lamina.run("build", "-t", "app", *writes, app)
    assert lamina.run("build", app).out == done.out
    said = lamina.run("run", "--rm", "app", "cat", "all", "/added/manifest.json").out
    assert said.startswith("1\n1\n")
    lamina.check()
    known = other.run("build", "--cache-from", f"type=local,src={cache}", app)
    assert known.out == done.out
    other.check()


@pytest.mark.parametrize("number", range(8))
def test_an_interrupted_build(lamina: Lamina, app: Path, number: int) -> None:
    """Ctrl-C at any moment: gone in a moment, with nothing left."""
    moments = random.Random(number)
    whole = duration_of(lamina, "build", "--no-cache", app)
    process = lamina.start("build", "--no-cache", app)
    time.sleep(0.1 + moments.uniform(0, whole))
    if process.poll() is None:
        done = interrupt(process)
        # One that has its image ends as it likes.
        assert done.code == 130 or done.out, done
    assert lamina.left_behind() == []
    lamina.run("build", app)
    lamina.check()


@pytest.mark.parametrize("number", range(6))
def test_a_killed_load(lamina: Lamina, tmp_path: Path, number: int) -> None:
    moments = random.Random(number)
    lamina.run("save", "--format", "oci", "-o", "image.tar", "busybox")
    other = Lamina(tmp_path, tmp_path / "other")
    whole = duration_of(Lamina(tmp_path, tmp_path / "timed"), "load", "-i", "image.tar")
    for _ in range(2):
        kill_after(other, moments.uniform(0, whole), "load", "-i", "image.tar")
    other.check()
    other.run("load", "-i", "image.tar")
    assert other.run("run", "--rm", "busybox", "cat", "/etc/motd").out == "welcome\n"
    other.check()
    assert other.left_behind() == []


def test_a_killed_bootstrap(lamina: Lamina, tmp_path: Path) -> None:
    """What mmdebstrap had mounted and started by then goes with it."""
    recipe = "FROM bootstrap:debian/bookworm\n"
    process = lamina.start("build", project(tmp_path / "base", recipe))
    # From here on it works in the root that it made, with /proc and /sys in it.
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        # In the upper directory of an overlay that only it sees.
        if [*lamina.store.glob("tmp/*/upper/mmdebstrap.*/usr/bin/dpkg")]:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    assert process.poll() is None
    process.kill()
    process.communicate()
    lamina.run("build", project(tmp_path / "next", "FROM busybox\nRUN true\n"))
    lamina.check()
    assert lamina.left_behind() == []


@pytest.mark.parametrize("number", range(8))
def test_a_killed_run(lamina: Lamina, number: int) -> None:
    """What a killed `run` has started either ends, or can be seen and removed."""
    moments = random.Random(number)
    kill_after(
        lamina,
        moments.uniform(0, 0.4),
        *("run", "--name", "victim", "busybox", "sleep", "1000"),
    )
    lamina.run("ps", "-a")
    listed = lamina.run("ps", "-a", "-q").out.split()
    assert len(listed) <= 1
    for identity in listed:
        lamina.run("rm", "-f", identity)
    assert lamina.run("ps", "-a", "-q").out == ""
    assert lamina.run("run", "--rm", "--name", "victim", "busybox", "true").err == ""
    lamina.check()


def test_a_killed_keeper(lamina: Lamina) -> None:
    """A container ends with what holds it, and `ps` says so."""
    lamina.run("run", "-d", "--name", "victim", "busybox", "sleep", "1000")
    pid = int(lamina.run("inspect", "-f", "{{.State.Pid}}", "victim").out)
    keeper = _ancestor(pid)
    os.kill(keeper, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    state = lamina.run("inspect", "-f", "{{.State.Running}}", "victim").out
    assert state == "false\n"
    lamina.run("rm", "victim")
    lamina.check()


def _ancestor(pid: int) -> int:
    """The keeper: what lies between a container's first process and init."""
    while True:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        parent = int(stat[1])
        if parent == 1 or not _is_ours(parent):
            return pid
        pid = parent


def _is_ours(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return "python" in words[0] and "pytest" not in " ".join(words)
