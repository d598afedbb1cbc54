"""Where a container is in the rotation of its groups, while it runs.

It is led to once it listens, and with a health check while it is healthy; one that
listens and is not healthy is on standby. See network/groups.py.
"""

from __future__ import annotations

import time

from lamina.runtime.keeper.health import HEALTHY, UNHEALTHY
from lamina.runtime.keeper.listening import listens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.isolation.loop import Loop
    from lamina.runtime.keeper.networks import Networks

# As network/addresses.py has them.
IN, STANDBY, OUT = "in", "standby", "out"
# In seconds: between two looks whether it listens; until one that does not is led to
# all the same; between two looks of one on standby.
_LOOK = 0.05
_DEAF = 10.0
_TURN = 0.25


class Rotation:
    """`checked`: whether it has a health check."""

    def __init__(self, loop: Loop, networks: Networks, checked: bool) -> None:
        self._loop = loop
        self._networks = networks
        self._checked = checked
        # Its first process (0: it does not run), and when it has begun.
        self._pid = 0
        self._began = 0.0
        self._health = ""
        self._listens = False
        self._paused = False
        self._leaving = False
        self._timer = 0

    def begin(self, pid: int, began: float) -> None:
        """Its command was executed."""
        self._pid, self._began = pid, began
        self._health, self._listens = "", False
        self.judge()

    def end(self) -> None:
        """It runs no more, or not for now."""
        self._loop.cancel(self._timer)
        self._pid = self._timer = 0
        self.judge()

    def probed(self, health: str) -> None:
        """What its health is by now."""
        self._health = health
        self.judge()

    def pause(self, paused: bool) -> None:
        """It is about to be frozen, or has been thawed."""
        self._paused = paused
        self.judge()

    def leave(self) -> None:
        """It is about to be asked to end, for good."""
        self._leaving = True
        self.judge()

    def judge(self) -> None:
        """Have its groups lead to it, or not, as things are now."""
        if not self._networks.is_grouped:
            return
        runs = bool(self._pid) and not (self._paused or self._leaving)
        if runs and not self._listens:
            deaf = time.monotonic() > self._began + _DEAF
            self._listens = deaf or listens(self._pid)
        rotation = self._place() if runs else OUT
        self._networks.rotate(rotation)
        if runs and not self._timer:
            if not self._listens:
                self._timer = self._loop.after(_LOOK, self._look)
            elif rotation == STANDBY and self._networks.shares_ports:
                self._timer = self._loop.after(_TURN, self._look)

    def _place(self) -> str:
        if self._health == HEALTHY or (self._listens and not self._checked):
            return IN
        return STANDBY if self._health == UNHEALTHY or self._listens else OUT

    def _look(self) -> None:
        self._timer = 0
        self.judge()
        self._networks.take_turns()
