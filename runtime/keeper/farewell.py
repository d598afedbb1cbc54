"""What a container held is given back: its cgroup, its files."""

from __future__ import annotations

import fcntl
import os

from lamina.oci.files.removal import remove_tree
from lamina.runtime.errors import ContainerError
from lamina.runtime.keeper import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.cgroups.cgroup import Cgroup


def end_cgroup(group: Cgroup) -> None:
    """Kill what is left in a cgroup, and remove it."""
    group.kill()
    try:
        group.delete()
    except ContainerError:
        return  # a process that cannot be killed: who collects later finds the cgroup


def remove(root: str, identity: str, name: str) -> None:
    """Remove a container that was to go at its end, with the volumes it came with.

    Its pins in the store's index are left to the next command: this process has no
    SQLite.
    """
    aside = f"{root}/containers/.{identity}"
    lock = os.open(f"{root}/locks/containers", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _release_name(root, name, identity)
        os.rename(f"{root}/containers/{identity}", aside)
        record.mark_free(root, identity)
    except FileNotFoundError:
        return  # somebody has removed it
    finally:
        os.close(lock)
    try:
        for volume in _volumes(aside):
            # What others share is left for who can see whether they still do.
            if not os.path.exists(f"{root}/volumes/{volume}/shared"):
                remove_tree(f"{root}/volumes/{volume}")
        remove_tree(aside)
    except OSError:
        return  # what is aside is swept up by the next command


def _release_name(root: str, name: str, identity: str) -> None:
    try:
        if os.readlink(f"{root}/names/{name}") == identity:
            os.unlink(f"{root}/names/{name}")
    except FileNotFoundError:
        return


def _volumes(place: str) -> tuple[str, ...]:
    """The volumes without a name that a container was started with."""
    try:
        with open(f"{place}/volumes", "rb") as file:
            return tuple(line.split(b" ")[0].decode() for line in file)
    except FileNotFoundError:
        return ()
