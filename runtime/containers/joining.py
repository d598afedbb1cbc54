"""Namespaces that a container shares: `--pid`, `--ipc`, `--uts`, `--cgroupns`.

A mode is "" for a new namespace, `host` for the host's, or `container:ID` for another
container's; of IPC also `private`, `shareable` (others may join it) and `none` (without
/dev/shm). Who joins is in what the other has when it starts, as with docker.
"""

from __future__ import annotations

import os

from lamina.runtime.containers import state
from lamina.runtime.containers.options import HOST
from lamina.runtime.errors import ContainerError
from lamina.runtime.spec import DEFAULT_NAMESPACES, Namespace
from lamina.values import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options

PRIVATE, SHAREABLE, NONE = "private", "shareable", "none"
_OTHER = "container:"
# What Docker takes for each, beside "".
_MODES = {
    "pid": (HOST, _OTHER),
    "ipc": (HOST, PRIVATE, SHAREABLE, NONE, _OTHER),
    "uts": (HOST,),
    "cgroupns": (HOST, PRIVATE),
}


@value
class Joined:
    """`namespaces` for a Spec; `fds` have to stay open until it was launched.

    `lenders`: the directories of those whose namespaces are joined, by type. `memory`:
    a mount for /dev/shm, or -1, and where it is from.
    """

    namespaces: tuple[Namespace, ...] = DEFAULT_NAMESPACES
    fds: tuple[int, ...] = ()
    lenders: tuple[tuple[str, str], ...] = ()
    memory: int = -1
    memory_of: str = ""

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


def check(options: Options) -> None:
    """Raises ContainerError for a mode that there is not."""
    for name, known in _MODES.items():
        mode = getattr(options, name)
        good = bool(other(mode)) if mode.startswith(_OTHER) else mode in known
        if mode and not (good and (_OTHER in known or mode in known)):
            words = ", ".join(
                f"{word}NAME" if word == _OTHER else word for word in known
            )
            raise ContainerError(f"Invalid mode --{name} {mode!r}.", hint=words)
    if options.uts == HOST and options.hostname:
        raise ContainerError("Conflicting options: hostname and the UTS mode.")


def other(mode: str) -> str:
    """The container of `container:NAME`, or ""."""
    return mode.removeprefix(_OTHER) if mode.startswith(_OTHER) else ""


def shares_memory(options: Options) -> bool:
    """Whether /dev/shm is that of the host or of another container."""
    return options.ipc == HOST or bool(other(options.ipc))


def resolved(root: str, options: Options) -> Options:
    """With the IDs of the containers that are named, and with what the volumes of
    others come to; raises ContainerError, NoSuchContainer for a name that is none."""
    found = {}
    if named := other(options.network):
        found["network"] = f"{_OTHER}{state.find(root, named)}"
    for name in ("pid", "ipc"):
        if named := other(getattr(options, name)):
            identity = state.find(root, named)
            found[name] = f"{_OTHER}{identity}"
            if name == "ipc":
                _check_shareable(root, identity)
    options = replace(options, **found) if found else options
    if options.volumes_from:
        from lamina.runtime.containers.volume_users import inheriting

        options = inheriting(root, options)
    if options.links:
        from lamina.runtime.containers import linking

        options = linking.resolved(root, options)
    return options


def join(root: str, options: Options) -> Joined:
    """What the container is to be in; raises ContainerError.

    Every container that is joined has to run.
    """
    kept = [
        space for space in DEFAULT_NAMESPACES if not _is_shared(space.type, options)
    ]
    borrowed: list[int] = []
    lenders = []
    memory, memory_of = -1, ""
    try:
        for kind in ("pid", "ipc"):
            if identity := other(getattr(options, kind)):
                from lamina.runtime.keeper.lending import borrow

                place = state.directory(root, identity)
                wanted = (kind, "memory") if kind == "ipc" else (kind,)
                borrowed += borrow(place, wanted)
                if kind == "ipc":
                    memory, memory_of = borrowed[-1], place
                path = f"/proc/self/fd/{borrowed[-len(wanted)]}"
                kept.append(Namespace(kind, path))
                lenders.append((kind, place))
    except BaseException:
        for fd in borrowed:
            os.close(fd)
        raise
    return Joined(tuple(kept), tuple(borrowed), tuple(lenders), memory, memory_of)


def _is_shared(kind: str, options: Options) -> bool:
    name = "cgroupns" if kind == "cgroup" else kind
    mode = getattr(options, name) if name in _MODES else ""
    return mode == HOST or bool(other(mode))


def _check_shareable(root: str, identity: str) -> None:
    container = state.load_container(root, identity)
    if container.options.ipc not in (SHAREABLE, HOST):
        raise ContainerError(
            f"Cannot join the IPC namespace of {container.name}, which is its own.",
            hint="Run that one with `--ipc shareable`.",
        )
