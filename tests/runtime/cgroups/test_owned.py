"""runtime.cgroups.owned: who is dead has its cgroups collected, and nobody else."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import hierarchies
from tests.runtime.cgroups.inside import (
    PYTHON,
    Maker,
    until,
)

pytestmark = pytest.mark.root


ORPHAN = """
import os, subprocess, sys
from lamina.runtime.cgroups import owned
from lamina.runtime.spec import Resources
group = owned.create("orphan", Resources(), mount=sys.argv[1])
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
child = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True, **quiet)
group.add(child.pid)
print(group.path, child.pid, flush=True)
sys.stdin.read()
"""


def test_what_the_dead_left_is_collected(mount: str) -> None:
    owner = subprocess.Popen(
        [PYTHON, "-c", ORPHAN, mount],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout and owner.stdin
    path, pid = owner.stdout.readline().split()
    assert path not in owned.collect(mount)
    assert Cgroup(path, mount).procs() == (int(pid),)
    owner.kill()
    owner.communicate()
    # Another test that collects at the same time may be the one that finds it.
    owned.collect(mount)
    until(lambda: not Cgroup(path, mount).exists)
    until(lambda: not _running(int(pid)))


INTERRUPTED = """
import sys
from lamina.runtime.cgroups import owned
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.spec import Resources
path = owned.create("interrupted", Resources(), mount=sys.argv[1]).path
owned.clear(sys.argv[1])
print(path, Cgroup(path, sys.argv[1]).exists)
"""


def test_an_interrupted_process_removes_its_own(mount: str, create: Maker) -> None:
    anothers = create()
    said = subprocess.check_output([PYTHON, "-c", INTERRUPTED, mount], text=True)
    assert said.endswith(" False\n")
    assert anothers.exists


def _running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return False


def test_what_is_not_ours_is_left_alone(mount: str) -> None:
    (place, *_) = [h.base for h in hierarchies(mount) if "freezer" in h.controllers]
    names = [f"other.1-1-{os.getpid()}", f"no-owner-{os.getpid()}"]
    for name in names:
        os.makedirs(f"{place}/lamina/{name}")
    try:
        assert not {f"lamina/{name}" for name in names} & {*owned.collect(mount)}
    finally:
        for name in names:
            os.rmdir(f"{place}/lamina/{name}")
