"""Asking before something is removed, as docker asks."""

from __future__ import annotations

import sys


def confirmed(warning: str) -> bool:
    """Whether the user says yes on standard input."""
    print(
        f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ",
        end="",
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")
