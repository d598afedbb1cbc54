"""Namespaces of a container: new ones, those that it joins, and those of its keeper.

A Spec names the first two kinds (runtime-spec, config-linux.md, Namespaces); what it
does not name is the third. A pid namespace can only be joined from the one that it was
made in, or one above that (pid_namespaces(7)): by a zygote without one of its own.
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.spec import Namespace

# The specification's words, the names in /proc/PID/ns, and clone's flags.
TYPES = (
    ("mount", "mnt", syscalls.CLONE_NEWNS),
    ("pid", "pid", syscalls.CLONE_NEWPID),
    ("uts", "uts", syscalls.CLONE_NEWUTS),
    ("ipc", "ipc", syscalls.CLONE_NEWIPC),
    ("network", "net", syscalls.CLONE_NEWNET),
    ("cgroup", "cgroup", syscalls.CLONE_NEWCGROUP),
    ("user", "user", syscalls.CLONE_NEWUSER),
    ("time", "time", syscalls.CLONE_NEWTIME),
)
_FLAGS = {kind: flag for kind, _, flag in TYPES}
# What a zygote's child can have of its own; "user" is the affair of who starts it.
_POSSIBLE = frozenset(_FLAGS) - {"user"}


@value
class Membership:
    """`new`: clone's flags; `joined`: the types and paths of those that are there.

    A network comes first: who publishes ports looks for it there.
    """

    new: int
    joined: tuple[tuple[str, str], ...] = ()

    @property
    def joins(self) -> tuple[int, ...]:
        """The flags of what is joined, in the order of `joined`."""
        return tuple(_FLAGS[kind] for kind, _ in self.joined)

    @property
    def own(self) -> int:
        """The flags of all that is not simply the keeper's."""
        return self.new | sum(self.joins)


def membership(
    namespaces: tuple[Namespace, ...], network: int | str = "", bundle: bool = False
) -> Membership:
    """What a Spec's namespaces come to; raises ContainerError.

    `network`: a descriptor, "none" or "host" instead of what they say, or "".
    `bundle`: a user namespace can be among them, and any of them can be joined.
    """
    wanted = {space.type: space.path for space in namespaces}
    if len(wanted) < len(namespaces):
        raise ContainerError("A namespace is asked for twice.")
    if network == "none":
        wanted["network"] = ""
    elif network == "host":
        wanted.pop("network", None)
    elif isinstance(network, int):
        wanted["network"] = f"/proc/self/fd/{network}"
    for kind in wanted:
        if kind not in (_FLAGS if bundle else _POSSIBLE):
            raise ContainerError(
                f"A container cannot have a {kind!r} namespace.",
                hint=f"There are {', '.join(sorted(_POSSIBLE))}.",
            )
    if not bundle and wanted.get("mount", "joined"):
        raise ContainerError("A container needs a new mount namespace.")
    new = sum(_FLAGS[kind] for kind, path in wanted.items() if not path)
    joined = [(kind, path) for kind, path in wanted.items() if path]
    return Membership(new, tuple(sorted(joined, key=lambda row: row[0] != "network")))


def open_joined(found: Membership) -> list[int]:
    """Descriptors of what is joined, in order; raises ContainerError."""
    fds: list[int] = []
    for kind, path in found.joined:
        try:
            fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            for fd in fds:
                os.close(fd)
            raise ContainerError(
                f"Cannot join the {kind} namespace {path}: {error.strerror}."
            ) from error
    return fds
