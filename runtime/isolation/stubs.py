"""The mount points that every container needs, as one layer below all others.

A root that lacks /proc or /etc/resolv.conf sees them in this layer, so that making
mount points never changes the layer above: nothing has to be removed afterwards.
"""

from __future__ import annotations

import os

_DIRECTORIES = ("dev", "proc", "sys", "etc")
_FILES = ("etc/hosts", "etc/resolv.conf")
# What docker puts beside them into containers, and not into steps: programs look for
# the first to know that they are in one, and read mounts from the second.
_HOSTNAME, _MARK, _MOUNTS = "etc/hostname", ".dockerenv", "etc/mtab"


def stub_layer(place: str, *, container: bool = True) -> str:
    """The stub layer in the folder `place`, made when it is not there; its path.

    For steps (not `container`) there is less in it: no /etc/hostname is mounted.
    """
    path = f"{place}/{'stubs-of-containers' if container else 'stubs-of-steps'}"
    if os.path.exists(f"{path}/{_FILES[-1]}"):
        return path
    made = f"{path}.{os.urandom(4).hex()}"
    for name in ("", *_DIRECTORIES):
        os.mkdir(f"{made}/{name}")
        os.chmod(f"{made}/{name}", 0o755)
    names: tuple[str, ...] = (_HOSTNAME, *_FILES) if container else _FILES
    for name in names:
        _make_file(f"{made}/{name}", 0o644)
    if container:
        _make_file(f"{made}/{_MARK}", 0o755)
        os.symlink("/proc/mounts", f"{made}/{_MOUNTS}")
        names += (_MARK, _MOUNTS)
    try:
        os.rename(made, path)
    except OSError:
        # Another process was first; theirs is the same.
        _remove(made, names)
    return path


def _make_file(path: str, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    os.close(os.open(path, flags, mode))
    os.chmod(path, mode)


def _remove(made: str, names: tuple[str, ...]) -> None:
    for name in names:
        os.unlink(f"{made}/{name}")
    for name in (*_DIRECTORIES, ""):
        os.rmdir(f"{made}/{name}")
