"""Classic BPF, written from its end: seccomp(2)'s programs as bytes.

Every jump of BPF goes forward, so a program that is written last instruction first
knows where it jumps. A label is an instruction's place counted from the end.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: a word of struct seccomp_data
AND = 0x54
GOTO = 0x05
EQUAL = 0x15
GREATER = 0x25
GREATER_EQUAL = 0x35
RETURN = 0x06

# A conditional jump has eight bits; some room for the trampoline of its other arm.
_REACH = 250


class Program:
    """A growing program. Each method puts code before what is there already."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []  # op, yes, no, k
        self._returns: dict[int, int] = {}
        self._near: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._code)

    def returns(self, action: int) -> int:
        """The label of an instruction that ends the program with `action`."""
        label = self._returns.get(action)
        if label is None:
            label = self._returns[action] = self._put(RETURN, action)
        return label

    def before(self, op: int, k: int, then: int) -> int:
        """LOAD or AND with `k`, then on at the label `then`."""
        self._reach_next(then)
        return self._put(op, k)

    def loaded(self, offset: int, label: int) -> int:
        """What follows the load at `label`, where that is the newest and of `offset`.

        The load is taken back: for chains that compare one word many times.
        """
        if label == len(self._code) - 1 and self._code[-1] == (LOAD, 0, 0, offset):
            self._code.pop()
            return label - 1
        return label

    def branch(self, op: int, k: int, yes: int, no: int) -> int:
        """On to `yes` where the accumulator stands in the relation `op` to `k`."""
        if yes == no:
            return yes
        yes, no = self._within_reach(yes), self._within_reach(no)
        here = len(self._code)
        return self._put(op, k, here - yes - 1, here - no - 1)

    def search(self, spans: Sequence[tuple[int, int]]) -> int:
        """On to the label of the span that holds the accumulator, by halving.

        `spans` are (first number, label), ascending; the first begins at 0.
        """
        if len(spans) == 1:
            return spans[0][1]
        middle = len(spans) // 2
        low = self.search(spans[:middle])
        high = self.search(spans[middle:])
        return self.branch(GREATER_EQUAL, spans[middle][0], high, low)

    def assemble(self, start: int) -> bytes:
        """The array of struct sock_filter that begins at `start`."""
        self._reach_next(start)
        return b"".join(
            struct.pack("=HBBI", op, yes, no, k)
            for op, yes, no, k in reversed(self._code)
        )

    def _put(self, op: int, k: int, yes: int = 0, no: int = 0) -> int:
        self._code.append((op, yes, no, k))
        return len(self._code) - 1

    def _reach_next(self, label: int) -> None:
        """Make the newest instruction one that leads to `label`."""
        distance = len(self._code) - label - 1
        if distance:
            self._put(GOTO, distance)

    def _within_reach(self, label: int) -> int:
        """`label`, or a newer instruction that does the same as the one there."""
        here = self._near.get(label, label)
        if len(self._code) - here <= _REACH:
            return here
        op, _, _, k = self._code[label]
        if op == RETURN:
            here = self._put(RETURN, k)
        else:
            here = self._put(GOTO, len(self._code) - label - 1)
        self._near[label] = here
        return here
