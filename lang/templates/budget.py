"""Budget: what a template may do, in units that are the same on every machine.

A sandbox keeps a template from what is not its own; it does not keep it from
`"a" * 10**10`, or from doubling a list forty times. Here each turn of a loop, each
call, and each value that is stored, compared or given to something costs as much as
there is of it, and a budget that is spent ends the template, after a second or two.
"""

from __future__ import annotations

from collections.abc import MappingView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Far more than a recipe needs: 20,000 instructions in a loop take 400,000.
UNITS = 2_000_000
# Characters in a unit.
_GRAIN = 64
# Numbers of a range in a unit.
_STEP = 4
_LONGEST_RANGE = 100_000
# Of one text, and of all that comes out.
LONGEST_TEXT = 1 << 20
WIDEST_NUMBER = 4096
DEEPEST = 60


class TooMuch(Exception):
    """The sentence says what there is too much of."""


class Budget:
    """What is left of the units; everything that costs is told to it."""

    def __init__(self, units: int = UNITS) -> None:
        self.left = units

    def spend(self, units: int = 1) -> None:
        """Take units, or raise TooMuch."""
        self.left -= units
        if self.left < 0:
            raise TooMuch("The template does not come to an end in reasonable time.")

    def text(self, length: int) -> None:
        """Pay for a text before it is made."""
        if length > LONGEST_TEXT:
            raise TooMuch(f"A text of {length:,} characters is too long.")
        self.spend(1 + length // _GRAIN)

    def weigh(self, given: Any) -> Any:
        """Pay for a value as for a tree of all that is in it; the same value."""
        todo = [given]
        while todo:
            item = todo.pop()
            if isinstance(item, str):
                self.text(len(item))
                continue
            self.spend(1)
            if isinstance(item, list | tuple):
                todo += item
            elif isinstance(item, dict):
                todo += item.values()
            elif isinstance(item, range | MappingView):
                self.spend(len(item) // _STEP)
            elif isinstance(item, int) and item.bit_length() > WIDEST_NUMBER:
                raise TooMuch(f"A number of {item.bit_length():,} bits is too large.")
        return given

    def range(self, *given: int) -> range:
        """Python's range, if it is not too long."""
        made = range(*given)
        if len(made) > _LONGEST_RANGE:
            raise TooMuch(f"A range of {len(made):,} numbers is too long.")
        return made

    def operation(self, operator: str, left: Any, right: Any) -> None:
        """Pay for what `left operator right` will be."""
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * max(0, right)
            if bits > WIDEST_NUMBER:
                raise TooMuch(f"A number of {bits:,} bits is too large.")
        self.weigh(left)
        self.weigh(right)
        if operator == "*":
            for text, times in ((left, right), (right, left)):
                if isinstance(times, int) and isinstance(text, str):
                    self.text(len(text) * max(0, times))
                elif isinstance(times, int) and isinstance(text, list | tuple):
                    self.spend(len(text) * max(0, times))
