"""Processes in cgroups, on the hierarchies of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.cgroups.hierarchy import MOUNT

MOUNTS = [MOUNT]
if os.path.exists(f"{MOUNT}/unified/cgroup.controllers"):
    MOUNTS.append(f"{MOUNT}/unified")
PYTHON = os.path.realpath(sys.executable)
MIB = 1 << 20

Maker = Callable[..., Cgroup]


def inside(group: Cgroup, *command: str, wait: bool = False) -> subprocess.Popen[bytes]:
    """Start a command in the cgroup: its process enters by itself before it execs."""
    doors = [os.open(_entrance(place), os.O_WRONLY) for place in group.directories]
    enter = "import os, sys\nfor d in sys.argv[1].split(): os.write(int(d), b'0')\n"
    program = [PYTHON, "-I", "-S", "-c", enter + "os.execv(sys.argv[2], sys.argv[2:])"]
    process = subprocess.Popen(
        [*program, " ".join(map(str, doors)), *command],
        pass_fds=doors,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for door in doors:
        os.close(door)
    if wait:
        process.communicate()
    return process


def _entrance(place: str) -> str:
    tasks = f"{place}/tasks"
    return tasks if os.path.exists(tasks) else f"{place}/cgroup.procs"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_inside(group: Cgroup, process: subprocess.Popen[bytes]) -> bool:
    """Whether it has entered the cgroup in each hierarchy, one after the other."""
    entered = (Path(place, "cgroup.procs") for place in group.directories)
    return all(str(process.pid) in path.read_text().split() for path in entered)


def close(process: subprocess.Popen[bytes]) -> int:
    process.communicate()
    return process.returncode
