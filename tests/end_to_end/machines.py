"""Several machines: `lamina` on stores of their own, with one base from elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.bases import Lamina


class Machines:
    """Gives stores in folders below `place`; ended together."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._made: list[Lamina] = []
        self._base = place / "base.tar"
        origin = place / "origin"
        origin.mkdir()
        first = Lamina(origin).with_base()
        first.run("save", "-o", self._base, "busybox")

    def new(self) -> Lamina:
        """A machine that knows the base, as it comes from a registry, and no more."""
        place = self._place / f"machine{len(self._made)}"
        place.mkdir()
        machine = Lamina(place)
        machine.run("load", "-q", "-i", self._base)
        self._made.append(machine)
        return machine

    def end(self) -> None:
        """Nothing may be left of any."""
        for machine in self._made:
            machine.end()
        assert [left for machine in self._made for left in machine.left_behind()] == []
