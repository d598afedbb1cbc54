"""Builds of steps that are refused, and what runs on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.end_to_end.bases import Lamina


def refused(lamina: Lamina, folder: Path, *args: str | Path) -> str:
    done = lamina.run("build", "--progress", "quiet", *args, folder, code=1)
    assert done.out == ""
    lamina.check()
    return done.err


def running(*pattern: str) -> bool:
    found = subprocess.run(["pgrep", *pattern], check=False, capture_output=True)
    return found.returncode == 0
