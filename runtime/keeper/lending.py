"""What containers share: a keeper lends the namespaces of its container to others.

A request names what is wanted, out of KINDS; the answer brings a descriptor for each,
in that order: of a namespace, of a detached mount of the container's /dev/shm, of the
mount that a volume of that name is (`volume:NAME`), or of a part of the hub.

The members of a group share published ports as well: `share_ports` and `borrow_ports`.
"""

from __future__ import annotations

import _socket
import os

from lamina.runtime import syscalls
from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import wire
from lamina.runtime.isolation.namespaces import TYPES
from lamina.runtime.isolation.processes import pid_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.runtime.network.published import Published

    # Protocol, address and port of the host.
    HostPort = tuple[str, str, int]

SOCKET = "socket"
MEMORY = "memory"
VOLUME = "volume:"
# The hub of an ordinary user's networks: the fields of network/hub.py, Hub.
HUB = ("hub", "hub-helper")
_NAMES = {kind: name for kind, name, _ in TYPES}
KINDS = (*_NAMES, MEMORY)
_SIGCHLD = 17
# Of who asks, in seconds: two keepers may ask each other.
_PATIENCE = 5.0


def lend(
    line: _socket.socket, pidfd: int, kinds: tuple[str, ...], held: Mapping[str, int]
) -> None:
    """Answer with what belongs to the process `pidfd`, or is `held` by this one.

    Raises OSError and ContainerError.
    """
    fds: list[int] = []
    try:
        for kind in kinds:
            if kind.startswith(VOLUME) or kind in HUB:
                fds.append(_held(held, kind))
            else:
                fds.append(
                    _memory(pidfd) if kind == MEMORY else _namespace(pidfd, kind)
                )
        wire.tell(line, {"done": True}, tuple(fds))
    finally:
        for fd in fds:
            os.close(fd)


def borrow(place: str, kinds: tuple[str, ...]) -> list[int]:
    """Ask the keeper of the container whose directory `place` is.

    Raises ContainerError when it does not run, or does not answer.
    """
    data, fds = b"", list[int]()
    try:
        line = connect(place)
        try:
            line.settimeout(_PATIENCE)
            wire.send(line, {"op": "lend", "kinds": kinds})
            data, fds = wire.receive(line)
        finally:
            line.close()
    except OSError:
        pass  # as if nothing had come
    if len(fds) != len(kinds):
        refused = wire.load(data)["text"] if data else "It does not run."
        name = os.path.basename(place)[:12]
        raise ContainerError(f"The namespaces of {name} cannot be joined. {refused}")
    return fds


def share_ports(
    line: _socket.socket, published: Published | None, ports: tuple[HostPort, ...]
) -> None:
    """Answer with the sockets of those of `ports` that are shared here."""
    have = {}
    if published is not None:
        for one in published.shared.mappings:
            port = (one.protocol, one.host_ip, one.host_port)
            have[port] = published.shared.sockets_of(one)
    found = [have.get(port, ()) for port in ports]
    counts = tuple(map(len, found))
    wire.tell(line, {"counts": counts}, tuple(fd for fds in found for fd in fds))


def borrow_ports(
    place: str, ports: tuple[HostPort, ...]
) -> dict[HostPort, tuple[int, ...]]:
    """Ask the keeper of the container whose directory `place` is for the sockets of
    host ports: those that it has. Raises OSError when it does not listen."""
    line = connect(place)
    try:
        line.settimeout(_PATIENCE)
        wire.send(line, {"op": "share", "ports": ports})
        data, fds = wire.receive(line)
    finally:
        line.close()
    counts = wire.load(data).get("counts", ()) if data else ()
    given = iter(fds)
    found = zip(ports, counts, strict=False)
    return {port: tuple(next(given) for _ in range(n)) for port, n in found if n}


def connect(place: str) -> _socket.socket:
    """A connection to who keeps the container in `place`; raises OSError.

    The path may be too long for an address (unix(7): 107 bytes), this is not.
    """
    kind = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
    line = _socket.socket(_socket.AF_UNIX, kind)
    try:
        folder = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            line.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)
    except OSError:
        line.close()
        raise
    return line


def _held(held: Mapping[str, int], kind: str) -> int:
    if kind not in held:
        raise ContainerError(f"It has no {kind}.")
    return os.dup(held[kind])


def _namespace(pidfd: int, kind: str) -> int:
    path = f"/proc/{pid_of(pidfd)}/ns/{_NAMES[kind]}"
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _memory(pidfd: int) -> int:
    """A child makes it: only who is in a mount namespace clones its mounts."""
    ours, theirs = wire.pair()
    pid, child = syscalls.clone3(0, _SIGCHLD)
    if pid == 0:
        try:
            syscalls.setns(pidfd, syscalls.CLONE_NEWNS)
            tree = syscalls.open_tree("/dev/shm", recursive=False)
            wire.send(theirs, {}, (tree,))
        finally:
            os._exit(0)
    theirs.close()
    os.close(child)
    _, fds = wire.receive(ours)
    ours.close()
    os.waitpid(pid, 0)
    if not fds:
        raise OSError(None, "its /dev/shm cannot be shared")
    return fds[0]
