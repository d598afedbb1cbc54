"""Spares: sandboxes made before anybody needs them, for the next containers.

The two slow parts of a start need no image: a keeper that boots (20 ms of Python) and a
connection to the network.
"""

from __future__ import annotations

import _thread
from collections import deque

from lamina.runtime.containers import names
from lamina.runtime.containers.connecting import Connecting
from lamina.runtime.containers.keepers import start_keeper
from lamina.runtime.owner import Owner
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.options import Options
    from lamina.runtime.containers.state import Container
    from lamina.runtime.containers.uplink import Uplink


class Spare:
    """One, until it is used or closed. Made at once; what is slow goes on meanwhile.

    Its ports are published by somebody else; `identity` is that of a container which is
    started again.
    """

    def __init__(self, root: str, options: Options, identity: str = "") -> None:
        self.identity = identity or names.new_id()
        self.zygote = start_keeper(root, options.network, options.pid, options.runtime)
        plain = replace(options, publish=(), publish_all=False)
        self.connecting = Connecting(
            self.identity, plain, lambda: Owner.of(self.identity, self.zygote.pid)
        )

    @property
    def lives(self) -> bool:
        """Whether its keeper was not killed since."""
        return self.zygote.lives

    def uplink(self, root: str, container: Container) -> Uplink:
        """Its connection, once that is made; raises ContainerError.

        On networks that are in the store it is made now, for who has a name there.
        """
        owner = Owner.of(self.identity, self.zygote.pid)
        self.connecting.complete_for(root, container, owner)
        return self.connecting.result()

    def close(self) -> None:
        """Nobody needs it any more."""
        self.connecting.cancel()
        self.zygote.close()


class Spares:
    """Those that wait, `number` of them after each `refill`, until `close`. Any thread
    may call."""

    def __init__(self, root: str, options: Options, number: int) -> None:
        self._root = root
        self._options = options
        self._number = number
        self._waiting: deque[Spare] = deque()
        self._lock = _thread.allocate_lock()
        self._closed = False
        self.refill()

    def take(self) -> Spare:
        """The one that has waited longest, or a new one where none is left; whose
        keeper was killed meanwhile goes."""
        with self._lock:
            self._bury()
            if self._waiting:
                return self._waiting.popleft()
        return Spare(self._root, self._options)

    def refill(self) -> None:
        """Make those that are missing, or were killed: the address of one that is dead
        may be given to somebody else, so this is done now and then. They boot while
        something else goes on."""
        with self._lock:
            self._bury()
            while not self._closed and len(self._waiting) < self._number:
                self._waiting.append(Spare(self._root, self._options))

    def tend(self) -> None:
        """Replace those that were killed."""
        with self._lock:
            whole = all(spare.lives for spare in self._waiting)
        if not whole:
            self.refill()

    def close(self) -> None:
        """Nobody needs any more."""
        with self._lock:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().close()

    def _bury(self) -> None:
        for spare in tuple(self._waiting):
            if not spare.lives:
                self._waiting.remove(spare)
                spare.close()
