"""The keeper's program: a zygote that attends to the containers it has started.

It ends with its owner, unless a container was to live on; then with the last of those.
SIGTERM stops its containers as `lamina stop` does: the machine goes down.
Commands reach each container by a socket in its directory (control.py).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` itself costs 3 ms (enum)
import _socket
import os

from lamina.runtime.isolation import init
from lamina.runtime.isolation.server import Server
from lamina.runtime.keeper import record
from lamina.runtime.keeper.client import Client
from lamina.runtime.keeper.control import Control
from lamina.runtime.keeper.given import Given, Host, by_kind
from lamina.runtime.keeper.kept import Kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIGTERM = 15


def main(fd: int) -> None:
    """Serve the owner at the other end of `fd`, and the containers."""
    init.begin(fd, Keeper)


class Keeper(Server):
    """The zygote's server, and the containers it attends to, by their IDs."""

    def __init__(self, requests: _socket.socket) -> None:
        super().__init__(requests)
        self.operations["keep"] = self._keep
        self._host = Host()
        self._kept: dict[str, Kept] = {}
        self._controls: dict[str, Control] = {}
        # Those that are over, until their clients have read all.
        self._leaving: list[Kept] = []
        self._alone = False
        self._await_sigterm()

    def settle(self, options: dict[str, Any]) -> None:
        """Import what some containers need, while that can be done."""
        if options["foreign"]:
            from lamina.runtime.keeper import foreign  # noqa: F401
        if options["network"]:
            from lamina.runtime.network import groups, network, published  # noqa: F401
            from lamina.runtime.network.dns import server  # noqa: F401

    def left(self) -> None:
        """The owner is gone. Its containers go, those that are to live on stay."""
        self._alone = True
        owners = [
            (kept, client)
            for kept in (*self._kept.values(), *self._leaving)
            for client in kept.clients.all
            if client.owns
        ]
        for kept, client in owners:
            # It may have let the container live on just before it went.
            client.listen()
            if client in kept.clients.all:
                kept.clients.gone(client)
        for running in self.running.values():
            if not running.stays:
                running.kill()
        self._end_if_done()

    def after_turn(self) -> None:
        self._leaving = [kept for kept in self._leaving if not kept.is_flushed]
        self._end_if_done()

    def _await_sigterm(self) -> None:
        ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        _signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        _signal.signal(_SIGTERM, lambda *_: None)
        self.loop.watch(ours, lambda _: self._terminated(ours))

    def _terminated(self, wakeup: int) -> None:
        if _SIGTERM not in os.read(wakeup, 64):
            return  # of another signal that has a handler
        if not self._kept and not self._leaving:
            os._exit(128 + _SIGTERM)
        for kept in tuple(self._kept.values()):
            kept.stop()

    def _end_if_done(self) -> None:
        if self._alone and not self._kept and not self._leaving:
            os._exit(0)

    def _keep(self, request: dict[str, Any], fds: list[int]) -> None:
        """Fds: the client's line, its input and its pipes, and what `counts` counts."""
        if self.broken is not None:
            raise self.broken
        names = request["streams"]
        count = 1 + len(names)
        line, *pipes = fds[:count]
        kinds = by_kind(request["counts"], fds[count:])
        given = Given(request["keep"], kinds, self._host)
        fds[:] = []  # all have an owner now
        if given.detached:
            record.leave_stderr(given.place)
        kept = Kept(self, given, self._over)
        self._kept[given.id] = kept
        self._controls[given.id] = Control(self, kept)
        owner = Client(
            self.loop,
            _socket.socket(fileno=line),
            not given.detached,
            kept.clients.gone,
        )
        ends = dict(zip(names, pipes, strict=True))
        source = ends.pop("stdin", -1)
        kept.clients.attach(owner, ends, source)
        kept.start(given.mounts)

    def _over(self, kept: Kept) -> None:
        del self._kept[kept.given.id]
        self._controls.pop(kept.given.id).close()
        self._leaving.append(kept)
