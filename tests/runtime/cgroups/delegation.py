"""A cgroup of version 2 that belongs to an ordinary user, as systemd delegates one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.runtime.people import public_package

NOBODY = 65534
_PYTHON = os.path.realpath(sys.executable)
_ENTER = """
import os, subprocess, sys
open(f"{sys.argv[1]}/cgroup.procs", "w").write(str(os.getpid()))
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextlib.contextmanager
def delegated(mount: str) -> Iterator[str]:
    """The path of one, which goes afterwards with all inside."""
    place = f"{mount}/delegated-{os.getpid()}"
    os.mkdir(place)
    for name in ("", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"):
        os.chown(place + name, NOBODY, NOBODY)
    try:
        yield place
    finally:
        for folder, _, _ in os.walk(place, topdown=False):
            os.rmdir(folder)


def run_inside(
    place: str, program: str, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of Python's as the user, in that cgroup."""
    with public_package() as package:
        beside = f"import sys; sys.path.insert(0, {package!r})\n"
        user = ["/usr/bin/python3", "-I", "-c", beside + program, *words]
        enter = [_PYTHON, "-I", "-S", "-c", _ENTER, place, *user]
        return subprocess.run(enter, capture_output=True, text=True, check=False)
