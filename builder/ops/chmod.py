"""`--chmod`: an octal mode or chmod(1)'s symbolic list; the umask plays no part."""

from __future__ import annotations

from lamina.builder.errors import InvalidMode
from lamina.values import value

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}


@value
class Clause:
    """`u+x`: the bits of whom, the operator, and letters (rwxXst) or one of u, g, o."""

    who: int
    operator: str
    letters: str


@value
class ModeChange:
    """`octal` stands for all bits; without it the clauses apply one after another."""

    octal: int | None
    clauses: tuple[Clause, ...] = ()

    def of(self, mode: int, directory: bool) -> int:
        """The permission bits that a file with `mode` gets."""
        mode &= 0o7777
        if self.octal is not None:
            return self.octal
        for clause in self.clauses:
            mode = _applied(clause, mode, directory)
        return mode


def parse_mode(text: str) -> ModeChange:
    """`text` as a change of modes; raises InvalidMode."""
    if text and all(digit in "01234567" for digit in text):
        octal = int(text, 8)
        if octal <= 0o7777:
            return ModeChange(octal)
        raise _invalid(text)
    return ModeChange(
        None, tuple(c for p in text.split(",") for c in _clauses(p, text))
    )


def _clauses(part: str, text: str) -> list[Clause]:
    """`ug+x-w`: one list of whom, then one or more operators with their letters."""
    at = 0
    while at < len(part) and part[at] in _WHO:
        at += 1
    who = 0
    for letter in part[:at] or "a":
        who |= _WHO[letter]
    clauses = []
    while at < len(part):
        operator, end = part[at], at + 1
        while end < len(part) and part[end] not in "+-=":
            end += 1
        letters = part[at + 1 : end]
        copied = len(letters) == 1 and letters in _SHIFTS
        if operator not in "+-=" or not (copied or set(letters) <= set("rwxXst")):
            raise _invalid(text)
        clauses.append(Clause(who, operator, letters))
        at = end
    if not clauses:
        raise _invalid(text)
    return clauses


def _applied(clause: Clause, mode: int, directory: bool) -> int:
    if clause.letters in _SHIFTS and clause.letters:
        bits = (mode >> _SHIFTS[clause.letters] & 7) * 0o111
    else:
        bits = 0
        for letter in clause.letters:
            if letter != "X":
                bits |= _BITS[letter]
            elif directory or mode & 0o111:
                bits |= 0o111
    bits &= clause.who
    if clause.operator == "+":
        return mode | bits
    if clause.operator == "-":
        return mode & ~bits
    return mode & ~clause.who | bits


def _invalid(text: str) -> InvalidMode:
    return InvalidMode(
        f"{text!r} is no mode.",
        hint="--chmod takes octal digits (`755`) or a list like `u=rwX,go=rX`.",
    )
