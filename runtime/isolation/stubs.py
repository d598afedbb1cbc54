"""The mount points that every container needs, as one layer below all others.

A root that lacks /proc or /etc/resolv.conf sees them in this layer, so that making
mount points never changes the layer above: nothing has to be removed afterwards.
"""

from __future__ import annotations

import os

_DIRECTORIES = ("dev", "proc", "sys", "etc")
_FILES = ("etc/hosts", "etc/resolv.conf")
_HOSTNAME = "etc/hostname"


def stub_layer(place: str, *, hostname: bool = True) -> str:
    """The stub layer in the folder `place`, made when it is not there; its path.

    Without `hostname` there is no /etc/hostname in it, for who mounts none.
    """
    path = f"{place}/stubs" if hostname else f"{place}/stubs-of-steps"
    files = (_HOSTNAME, *_FILES) if hostname else _FILES
    if os.path.exists(f"{path}/{_FILES[-1]}"):
        return path
    made = f"{path}.{os.urandom(4).hex()}"
    for name in ("", *_DIRECTORIES):
        os.mkdir(f"{made}/{name}")
        os.chmod(f"{made}/{name}", 0o755)
    for name in files:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(f"{made}/{name}", flags, 0o644))
        os.chmod(f"{made}/{name}", 0o644)
    try:
        os.rename(made, path)
    except OSError:
        # Another process was first; theirs is the same.
        _remove(made, files)
    return path


def _remove(made: str, files: tuple[str, ...]) -> None:
    for name in files:
        os.unlink(f"{made}/{name}")
    for name in (*_DIRECTORIES, ""):
        os.rmdir(f"{made}/{name}")
