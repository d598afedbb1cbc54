"""Settling: when is a burst of saves over? Pure; times are seconds of one clock.

A save is often several events (a temporary file, a rename, a chmod), and a checkout
thousands. The first event starts a batch; each further one extends it a little, up to
a limit, so that one save waits milliseconds and somebody who never stops writing
starves nobody. More paths than a person saves make a storm: it is waited for longer.
"""

from __future__ import annotations

from lamina.values import value


@value
class Pauses:
    """How long to wait, in seconds: for quiet, and at the most."""

    quiet: float = 0.008
    longest: float = 0.1
    storm_quiet: float = 0.15
    storm_longest: float = 3.0
    # So many paths are no save but a checkout, an unpacking, a build.
    storm: int = 500


class Batch:
    """The paths that changed since the last batch was taken, and when to take them.

    `everything` means that nobody knows what changed: events were lost.
    """

    def __init__(self, pauses: Pauses | None = None) -> None:
        self._pauses = pauses or Pauses()
        self.paths: set[str] = set()
        self.everything = False
        # Those that were made empty, and whose writer has not closed them.
        self._open: set[str] = set()
        self._held = False
        self._first = 0.0
        self._last = 0.0

    def __bool__(self) -> bool:
        return bool(self.paths) or self.everything

    def add(self, path: str, now: float, *, to_be_written: bool = False) -> None:
        """`path` changed at `now`; or it is there, and not written yet."""
        self._touch(now)
        self.paths.add(path)
        if to_be_written:
            self._open.add(path)
        else:
            self._open.discard(path)

    def lose(self, now: float) -> None:
        """Events were lost: anything may have changed."""
        self._touch(now)
        self.everything = True

    def hold(self, held: bool, now: float) -> None:
        """A tool says that it is at work (git's index.lock): this is a storm."""
        if held:
            self._held = True
        elif self._held:
            self._held = False
            self._last = now

    def _touch(self, now: float) -> None:
        if not self:
            self._first = now
        self._last = now

    def due(self) -> float:
        """When this batch is settled, if nothing more happens."""
        pauses = self._pauses
        if self._held or self.everything or len(self.paths) > pauses.storm:
            end = self._first + pauses.storm_longest
            return end if self._held else min(self._last + pauses.storm_quiet, end)
        end = self._first + pauses.longest
        return end if self._open else min(self._last + pauses.quiet, end)

    def take(self) -> tuple[frozenset[str], bool]:
        """The paths, and whether they are not all; the batch is empty then."""
        taken = (frozenset(self.paths), self.everything)
        self.paths = set()
        self._open = set()
        self.everything = False
        return taken
