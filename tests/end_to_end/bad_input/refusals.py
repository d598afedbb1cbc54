"""Builds that are refused."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.bases import Lamina


def refused(lamina: Lamina, folder: Path, *args: str | Path) -> str:
    """What a build says that fails without an image."""
    done = lamina.run("build", "--progress", "quiet", *args, folder, code=1)
    assert done.out == ""
    return done.err
