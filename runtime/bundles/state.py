"""What the runtime knows of a container: ROOT/ID/state.json, checked by the kernel.

    ROOT/ID/state.json    Record
    ROOT/ID/config.json   the configuration as it was when the container was created
    ROOT/ID/start         the socket on which its process waits for `start`

The root directory is its owner's alone. A record is never believed by itself: a process
is its pid and start time (owner.py), and who still waits for `start` answers.
"""

from __future__ import annotations

import _socket
import errno
import os

from lamina.oci import json_writer
from lamina.runtime import syscalls
from lamina.runtime.bundles import fields
from lamina.runtime.bundles.json_text import load_file
from lamina.runtime.cgroups.cgroup import Cgroup
from lamina.runtime.errors import ContainerError
from lamina.runtime.keeper import record
from lamina.runtime.owner import Owner
from lamina.values import EMPTY, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CREATING, CREATED, RUNNING, PAUSED, STOPPED = (
    *("creating", "created", "running"),
    *("paused", "stopped"),
)
_LETTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-."
)
_LONGEST_ID = 1024
SOCKET = "start"


class NoContainer(ContainerError):
    """An ID that no container here has."""


class WrongState(ContainerError):
    """A container that is not in the state for this."""


@value
class Record:
    """A container; `process` is None while it is made. `created` as in RFC 3339.

    `cgroup` is its path in each hierarchy, "" where it has none; `shares_pids`: other
    processes of its may outlive the first, for it has no pid namespace of its own.
    `unit`: the scope that its cgroup is, which the `manager` has made, systemd's of the
    machine or of the user.
    """

    id: str
    version: str
    bundle: str
    rootfs: str
    created: str
    user: str = ""
    process: Owner | None = None
    cgroup: str = ""
    shares_pids: bool = False
    annotations: Mapping[str, str] = EMPTY
    unit: str = ""
    manager: str = ""


def directory(root: str, identity: str) -> str:
    return f"{root}/{identity}"


def check_id(identity: str) -> None:
    """Raise ContainerError for what is no ID; runc's rule."""
    plain = identity not in ("", ".", "..") and not set(identity) - _LETTERS
    if not plain or len(identity) > _LONGEST_ID:
        raise ContainerError(
            f"invalid container ID {identity!r}",
            hint="An ID has letters, digits and _ + - . only.",
        )


def reserve(root: str, identity: str) -> str:
    """Take an ID: its directory; raises ContainerError when somebody has it."""
    check_id(identity)
    place = directory(root, identity)
    try:
        os.makedirs(root, mode=0o700, exist_ok=True)
        os.mkdir(place, 0o700)
    except FileExistsError:
        raise ContainerError(
            f"container with given ID already exists: {identity}"
        ) from None
    except OSError as error:
        raise ContainerError(f"cannot make {place}: {error.strerror}") from error
    return place


def save(root: str, known: Record) -> None:
    """Write a record, whole or not at all."""
    written = {**known.__dict__, "annotations": dict(known.annotations)}
    if known.process is not None:
        written["process"] = known.process.__dict__
    record.write_state(directory(root, known.id), written)


def load(root: str, identity: str) -> Record:
    """The record of a container; raises NoContainer."""
    check_id(identity)
    place = directory(root, identity)
    if not os.path.exists(f"{place}/state.json"):
        raise NoContainer(f"container does not exist: {identity}")
    found = load_file(f"{place}/state.json")
    process = fields.obj(found, "process")
    return Record(
        **{
            **found,
            "process": Owner(**process) if process else None,
            "annotations": fields.mapping(found, "annotations"),
        }
    )


def identities(root: str) -> list[str]:
    """The IDs of all containers of a root directory."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return []
    return [name for name in names if os.path.exists(f"{root}/{name}/state.json")]


def status(root: str, known: Record) -> str:
    """What the kernel says the container is."""
    if known.process is None:
        return CREATING if known.created else STOPPED
    if not known.process.alive:
        return STOPPED
    if known.cgroup and Cgroup(known.cgroup).frozen:
        return PAUSED
    return CREATED if is_waiting(root, known.id) else RUNNING


def is_waiting(root: str, identity: str) -> bool:
    """Whether its process waits for `start`; a connection alone does not start it."""
    line = connect(root, identity)
    if line is None:
        return False
    line.close()
    return True


def connect(root: str, identity: str) -> _socket.socket | None:
    """A connection to the process that waits for `start`; None when none does."""
    line = _socket.socket(
        _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
    )
    try:
        with_place(directory(root, identity), line.connect)
    except OSError as error:
        line.close()
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return None
        raise
    return line


def listen(place: str) -> _socket.socket:
    """The socket on which a container's process is to wait for `start`."""
    line = _socket.socket(
        _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
    )
    with_place(place, line.bind)
    line.listen(8)
    return line


def with_place(place: str, use: Any) -> None:
    """Call `use` with the socket's address: a path may be too long for one (unix(7):
    107 bytes), this is not."""
    fd = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        use(f"/proc/self/fd/{fd}/{SOCKET}")
    finally:
        os.close(fd)


def remove_directory(place: str) -> None:
    """Remove a container's directory; nothing happens when it is gone."""
    try:
        for name in os.listdir(place):
            os.unlink(f"{place}/{name}")
        os.rmdir(place)
    except FileNotFoundError:
        return


def open_process(known: Record) -> int:
    """A pidfd of its first process; raises WrongState when that is gone."""
    process = known.process
    if process is not None and process.alive:
        try:
            pidfd = syscalls.pidfd_open(process.pid)
        except ProcessLookupError:
            pidfd = -1
        # The number may have passed to another process before the descriptor was had.
        if pidfd >= 0 and process.alive:
            return pidfd
    raise WrongState("container not running")


def as_json(known: Record, seen: str, pid: int | None = None) -> dict[str, Any]:
    """The state as the specification has it, and runc's further fields."""
    own = known.process.pid if known.process is not None and seen != STOPPED else 0
    return {
        "ociVersion": known.version,
        "id": known.id,
        "pid": own if pid is None else pid,
        "status": seen,
        "bundle": known.bundle,
        "rootfs": known.rootfs,
        "created": known.created,
        "annotations": dict(known.annotations),
        "owner": known.user,
    }


def hook_state(known: Record, seen: str, pid: int) -> bytes:
    """The state as a hook reads it on its stdin (runtime-spec, runtime.md, State)."""
    names = ("ociVersion", "id", "status", "pid", "bundle", "annotations")
    found = as_json(known, seen, pid)
    return json_writer.text({name: found[name] for name in names}).encode()
