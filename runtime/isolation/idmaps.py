"""User namespaces that are made for others: for a container, or for a mount's owners.

A map is rows of (first id inside, first id outside, how many), user_namespaces(7).
"""

from __future__ import annotations

import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.spec import IdMapping

_SIGKILL, _SIGCHLD = 9, 17


def write_maps(
    pid: int, uids: tuple[IdMapping, ...], gids: tuple[IdMapping, ...]
) -> None:
    """Give a process in a new user namespace its ids; raises ContainerError.

    Who has no privilege over the ids may map just their own, and gives up setgroups.
    """
    if os.geteuid() != 0:
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/uid_map", _rows(uids))
    _write(f"/proc/{pid}/gid_map", _rows(gids))


def mapped_namespace(uids: tuple[IdMapping, ...], gids: tuple[IdMapping, ...]) -> int:
    """The descriptor of a user namespace with these maps, for an idmapped mount.

    There a row says: files of the first id are shown as the second one's, so it is
    written the other way round than a process's (runtime-spec, config.md, Mounts).
    """
    if not (uids and gids):
        raise ContainerError("An idmapped mount needs uidMappings and gidMappings.")
    reader, writer = os.pipe()
    pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWUSER, _SIGCHLD)
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    try:
        write_maps(pid, uids, gids)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(pid, 0)
        os.close(pidfd)


def _rows(maps: tuple[IdMapping, ...]) -> str:
    return "".join(f"{row.inside} {row.outside} {row.size}\n" for row in maps)


def _write(path: str, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        name = path.rpartition("/")[2]
        raise ContainerError(
            f"Cannot write the {name} {text.strip()!r}: {error.strerror}.",
            hint="Rows may not overlap, and only root maps the ids of others.",
        ) from error
