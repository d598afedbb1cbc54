"""`$NAME` and `${NAME:-default}` in values and in files of variables."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], "str | None"]

DEEPEST = 50
LONGEST = 4 << 20
_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_BRACE = re.compile("[{}]")
_OPERATOR = re.compile(r":?[-+?]")


class Unresolved(Exception):
    """Why a text cannot be resolved: `message` and `hint`, for whoever knows where."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def substitute(
    text: str, lookup: Lookup, missing: Callable[[str], None], depth: int = 0
) -> str:
    """The text with its variables' values.

    `missing` is told of each one that has none, and no default. Raises Unresolved at
    what is no variable, and at one that has to be there.
    """
    if "$" not in text:
        return text
    if depth > DEEPEST:
        raise Unresolved("Variables are nested too deeply.")
    parts: list[str] = []
    at = length = 0
    while True:
        found = text.find("$", at)
        if found < 0:
            return "".join((*parts, text[at:]))
        parts.append(text[at:found])
        part, at = _one(text, found + 1, (lookup, missing, depth))
        parts.append(part)
        length += len(part)
        if length > LONGEST:
            raise Unresolved("With its variables the text gets too long.")


def _one(
    text: str, at: int, how: tuple[Lookup, Callable[[str], None], int]
) -> tuple[str, int]:
    """What stands for the variable behind a `$`, and where the text goes on."""
    lookup, missing, _ = how
    if text.startswith("$", at):
        return "$", at + 1
    if text.startswith("{", at):
        end = _closing(text, at)
        return _braced(text[at + 1 : end], how), end + 1
    name = _NAME.match(text, at)
    if not name:
        raise _invalid(text[at - 1 : at + 20])
    given = lookup(name[0])
    if given is None:
        missing(name[0])
    return given or "", name.end()


def _closing(text: str, at: int) -> int:
    """Where the brace at `at` is closed. There is no second guess, so that a long text
    is gone through once."""
    depth = 0
    for brace in _BRACE.finditer(text, at):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    raise _invalid(text[at - 1 : at + 20])


def _braced(inner: str, how: tuple[Lookup, Callable[[str], None], int]) -> str:
    lookup, missing, depth = how
    name = _NAME.match(inner)
    if not name:
        raise _invalid("${" + inner + "}")
    given = lookup(name[0])
    if name.end() == len(inner):
        if given is None:
            missing(name[0])
        return given or ""
    operator = _OPERATOR.match(inner, name.end())
    if not operator:
        raise _invalid("${" + inner + "}")
    # With a colon, an empty value is as good as none.
    there = bool(given) if operator[0][0] == ":" else given is not None
    sign = operator[0][-1]
    if there == (sign == "+"):
        word = substitute(inner[operator.end() :], lookup, missing, depth + 1)
        if sign == "?":
            raise _required(name[0], word)
        return word
    return "" if sign == "+" else given or ""


def _required(name: str, said: str) -> Unresolved:
    message = f"The variable {name} has to be set" + (f": {said}" if said else ".")
    return Unresolved(message, f"Set {name} in the environment or in .env.")


def _invalid(shown: str) -> Unresolved:
    return Unresolved(
        f"{shown!r} is no variable.", "For a `$` of its own, write it twice: `$$`."
    )
