"""Durability without waiting: a layer is believed after a crash once the disk has it.

A rename tells nothing about the data behind it: after a power cut, files that were
written seconds before are there, and empty (measured with ext4 and xfs). So the rows
of new layers say `volatile` with the boot's id; `syncfs` (syncfs(2)) then makes them
durable, in a process that nobody waits for. At the next boot, what is volatile still
is forgotten (Store.open).

This file is also that process's program: standard library only, no lamina.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sqlite3
import sys


def settle(root: str) -> int:
    """Sync the store's file system; how many layers are durable by that."""
    index = sqlite3.connect(f"{root}/index.sqlite", timeout=30, isolation_level=None)
    try:
        volatile = index.execute(
            "SELECT content FROM layer WHERE boot IS NOT NULL"
        ).fetchall()
        if not volatile:
            return 0
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), root)
        finally:
            os.close(descriptor)
        index.execute("BEGIN IMMEDIATE")
        index.executemany("UPDATE layer SET boot=NULL WHERE content=?", volatile)
        index.execute("COMMIT")
        return len(volatile)
    finally:
        index.close()


def settle_later(root: str) -> int:
    """Start `settle` in a process of its own, and do not wait: that process, 0 where it
    cannot be started."""
    from lamina.oci.files.removal import run_later

    return run_later((sys.executable, "-I", "-S", os.path.realpath(__file__), root))


def _main(root: str) -> None:
    """One at a time: who comes second waits, and then has little left to do."""
    try:
        with open(f"{root}/locks/settle", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            settle(root)
    except (OSError, sqlite3.Error):
        # The store went, or its disk is full: the layers stay volatile.
        sys.exit(1)


if __name__ == "__main__":
    _main(sys.argv[1])
