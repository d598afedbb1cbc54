"""Ordinary users for tests, and the package where they can read it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lamina

# An interpreter that every user can start; the one of the tests may lie in a place
# that only root can read.
PYTHON = "/usr/bin/python3"


def open_to_all(place: Path) -> None:
    """Let others into a folder of pytest's, however deep that is: they are its user's
    alone."""
    for folder in (place, *place.parents):
        mode = folder.stat().st_mode
        if mode & 0o055 != 0o055:
            folder.chmod(mode | 0o055)


@contextmanager
def public_package() -> Iterator[str]:
    """A folder that holds a copy of the package, readable by all."""
    folder = tempfile.mkdtemp(prefix="lamina-public-")
    source = Path(lamina.__file__).parent
    skip = shutil.ignore_patterns("__pycache__")
    try:
        shutil.copytree(source, f"{folder}/lamina", ignore=skip)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def new_user() -> Iterator[int]:
    """The id of a new user, with subordinate ids as useradd gives them."""
    name = f"lamtest-{uuid.uuid4().hex[:8]}"
    subprocess.run(["/usr/sbin/useradd", "--no-create-home", name], check=True)
    found = subprocess.run(["id", "-u", name], stdout=subprocess.PIPE, check=True)
    yield int(found.stdout)
    subprocess.run(["/usr/sbin/userdel", name], check=True, capture_output=True)


def run_as(
    uid: int, package: str, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python program as a user; its output and exit code."""
    return subprocess.run(
        [PYTHON, "-I", "-c", _BESIDE.format(package) + program, *arguments],
        user=uid,
        group=_group(uid),
        extra_groups=[],
        cwd="/",
        env={"PATH": os.environ["PATH"]},
        text=True,
        capture_output=True,
        check=False,
    )


def _group(uid: int) -> int:
    """The user's own group: newuidmap(1) compares it with the process's."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


_BESIDE = "import sys; sys.path.insert(0, {!r}); sys.dont_write_bytecode = True\n"
