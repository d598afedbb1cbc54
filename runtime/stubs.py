"""The mount points that every container needs, as one layer below all others.

A root that lacks /proc or /etc/resolv.conf sees them in this layer, so that making
mount points never changes the layer above: nothing has to be removed afterwards.
"""

from __future__ import annotations

import os

_DIRECTORIES = ("dev", "proc", "sys", "etc")
_FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")


def stub_layer(place: str) -> str:
    """The stub layer in the folder `place`, made when it is not there; its path."""
    path = f"{place}/stubs"
    if os.path.exists(f"{path}/{_FILES[-1]}"):
        return path
    made = f"{place}/stubs.{os.urandom(4).hex()}"
    for name in ("", *_DIRECTORIES):
        os.mkdir(f"{made}/{name}")
        os.chmod(f"{made}/{name}", 0o755)
    for name in _FILES:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(f"{made}/{name}", flags, 0o644))
    try:
        os.rename(made, path)
    except OSError:
        # Another process was first; theirs is the same.
        _remove(made)
    return path


def _remove(made: str) -> None:
    for name in _FILES:
        os.unlink(f"{made}/{name}")
    for name in (*_DIRECTORIES, ""):
        os.rmdir(f"{made}/{name}")
