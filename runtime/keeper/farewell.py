"""What a container held is given back: its cgroup, its networks, its files."""

from __future__ import annotations

import os

from lamina.oci.files.lock import Lock
from lamina.oci.files.removal import remove_tree
from lamina.oci.store import journal
from lamina.runtime.errors import ContainerError
from lamina.runtime.keeper import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.cgroups.cgroup import Cgroup
    from lamina.runtime.isolation.loop import Loop
    from lamina.runtime.keeper.given import Given


def give_back(given: Given, loop: Loop) -> None:
    """End what ran in it, and let go of its networks and volumes; the journal is told.

    Its files are left, and so are the descriptors that it was given.
    """
    if (group := given.cgroup) is not None:
        _end_cgroup(group)
    if given.published is not None:
        loop.forget(given.published.fileno())
    given.networks.close()
    for name, (identity, kind) in given.told_networks.items():
        about = {"container": given.id, "name": name, "type": kind}
        journal.note(given.root, "network", "disconnect", identity, about)
    for name in given.told_volumes:
        about = {"container": given.id, "driver": "local"}
        journal.note(given.root, "volume", "unmount", name, about)


def _end_cgroup(group: Cgroup) -> None:
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
    try:
        with Lock(f"{root}/locks/containers"):
            _release_name(root, name, identity)
            os.rename(f"{root}/containers/{identity}", aside)
            record.mark_free(root, identity)
    except FileNotFoundError:
        return  # somebody has removed it
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
