"""The socket by which commands reach a container that is kept.

It lies in the container's directory, which is its owner's alone. A connection carries
one request, and what it asks for lives as long as the connection.
"""

from __future__ import annotations

import _socket
import os
from struct import unpack

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation import children, wire
from lamina.runtime.isolation.server import taken
from lamina.runtime.keeper.client import Client
from lamina.runtime.keeper.execs import Executed
from lamina.runtime.keeper.lending import SOCKET, share_ports
from lamina.runtime.keeper.restarts import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.isolation.server import Server
    from lamina.runtime.keeper.kept import Kept

_BACKLOG = 64


class Control:
    """Listens for a container until `close`."""

    def __init__(self, server: Server, kept: Kept) -> None:
        self._server = server
        self._kept = kept
        kind = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        self._listener = _socket.socket(_socket.AF_UNIX, kind)
        self._path = f"{kept.given.place}/{SOCKET}"
        self._connections: set[_socket.socket] = set()
        _remove(self._path)
        # The path may be too long for an address (unix(7): 107 bytes), this is not.
        place = os.open(kept.given.place, os.O_PATH | os.O_CLOEXEC)
        try:
            self._listener.bind(f"/proc/self/fd/{place}/{SOCKET}")
        finally:
            os.close(place)
        self._listener.listen(_BACKLOG)
        server.loop.watch(self._listener.fileno(), lambda _: self._accept())

    def close(self) -> None:
        """Listen no more; who is connected hears what comes."""
        self._server.loop.forget(self._listener.fileno())
        self._listener.close()
        _remove(self._path)

    def _accept(self) -> None:
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        line = _socket.socket(fileno=fd)
        credentials = line.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        if unpack("3i", credentials)[1] != os.geteuid():
            line.close()
            return
        line.setblocking(True)
        self._connections.add(line)
        self._server.loop.watch(fd, lambda _: self._hear(line))

    def _hear(self, line: _socket.socket) -> None:
        """The first message says what the connection is for."""
        self._server.loop.forget(line.fileno())
        self._connections.discard(line)
        try:
            data, fds = wire.receive(line)
        except OSError:
            data, fds = b"", []
        if not data:
            line.close()
            return
        try:
            request = wire.load(data)
            _OPERATIONS[request["op"]](self, line, request, fds)
        except ContainerError as error:
            children.tell(line.fileno(), error)
            line.close()
        except OSError as error:
            children.tell(line.fileno(), ContainerError(str(error)))
            line.close()
        finally:
            for fd in fds:
                if fd >= 0:
                    os.close(fd)

    # Requests

    def _attach(
        self, line: _socket.socket, request: dict[str, Any], fds: list[int]
    ) -> None:
        """Watch the container; fds: the pipes that `streams` names."""
        kept = self._kept
        if kept.status != "running":
            raise ContainerError("The container does not run.")
        client = Client(self._server.loop, line, False, kept.clients.gone)
        ends = dict(zip(request["streams"], fds, strict=True))
        fds[:] = []
        client.size = request["size"]
        kept.clients.attach(client, ends, ends.pop("stdin", -1))
        client.tell({"started": {"created": ()}})

    def _exec(
        self, line: _socket.socket, request: dict[str, Any], fds: list[int]
    ) -> None:
        """Start one more process; fds: report, its line, the streams."""
        owner = _socket.socket(fileno=taken(fds, 1))
        try:
            Executed(self._server, self._kept, request, line, owner).start(fds)
        except (ContainerError, OSError) as error:
            children.tell(fds[0], error)
            owner.close()
            line.close()

    def _quit(
        self, line: _socket.socket, request: dict[str, Any], _: list[int]
    ) -> None:
        """No restarts any more, and with `remove` False no removal."""
        self._kept.quit(request["stopped"], request["remove"])
        _done(line)

    def _policy(
        self, line: _socket.socket, request: dict[str, Any], _: list[int]
    ) -> None:
        """Restart by other rules from now on."""
        self._kept.policy = Policy(*request["policy"])
        _done(line)

    def _enter(
        self, line: _socket.socket, request: dict[str, Any], fds: list[int]
    ) -> None:
        """Start what is to come in other cgroups as well; fds: their files."""
        self._kept.enter_cgroups(fds[:], request["cgroup"])
        fds[:] = []
        _done(line)

    def _pause(
        self, line: _socket.socket, request: dict[str, Any], _: list[int]
    ) -> None:
        """Freeze it, or let it go on."""
        paused = request["paused"]
        expected = "running" if paused else "paused"
        if self._kept.status != expected:
            raise ContainerError(f"The container is not {expected}.")
        self._kept.pause(paused)
        self._kept.tell("pause" if paused else "unpause")
        _done(line)

    def _lend(
        self, line: _socket.socket, request: dict[str, Any], _: list[int]
    ) -> None:
        """Give another container namespaces of this one."""
        self._kept.lend(line, request["kinds"])
        line.close()

    def _share(
        self, line: _socket.socket, request: dict[str, Any], _: list[int]
    ) -> None:
        """Give another member of its group the sockets of published ports."""
        share_ports(line, self._kept.given.published, request["ports"])
        line.close()

    def _join(
        self, line: _socket.socket, request: dict[str, Any], fds: list[int]
    ) -> None:
        """It is on one more network from now on; fds: a resolver's sockets."""
        self._kept.join(request, fds)
        _done(line)

    def _leave(
        self, line: _socket.socket, request: dict[str, Any], _: list[int]
    ) -> None:
        """It is off a network."""
        self._kept.leave(request["place"])
        _done(line)


_OPERATIONS = {
    "join": Control._join,
    "leave": Control._leave,
    "attach": Control._attach,
    "lend": Control._lend,
    "share": Control._share,
    "exec": Control._exec,
    "quit": Control._quit,
    "policy": Control._policy,
    "enter": Control._enter,
    "pause": Control._pause,
}


def _done(line: _socket.socket) -> None:
    wire.tell(line, {"done": True})
    line.close()


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
