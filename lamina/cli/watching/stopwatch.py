"""A stopwatch for a round: where its time went."""

from __future__ import annotations

import time


class Stopwatch:
    """Begun at `first` (time.monotonic); each `lap` names what was done until then."""

    def __init__(self, first: float) -> None:
        self._last = first
        self._laps: dict[str, float] = {}

    def lap(self, name: str, now: float | None = None) -> None:
        """All since the lap before was `name`."""
        now = time.monotonic() if now is None else now
        taken = max(now - self._last, 0.0)
        self._laps[name] = self._laps.get(name, 0.0) + taken
        self._last = max(now, self._last)

    def split(self) -> tuple[tuple[str, float], ...]:
        """The laps in their order, in ms."""
        return tuple((name, round(1000 * lap, 1)) for name, lap in self._laps.items())
