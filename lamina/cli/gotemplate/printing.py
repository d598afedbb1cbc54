"""Values as Go prints them: fmt.Sprint, Sprintf and Sprintln."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from lamina.cli.gotemplate.nil import NILS, OPEN_MAPS, Nil, OpenMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_VERB = re.compile(r"%([+\-# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(.)?", re.DOTALL)
_FIELD = re.compile(r"[A-Z]\w*")
_MOST_WIDTH = 10_000
_KINDS = {bool: "bool", int: "int", float: "float64", str: "string"}


def shown(found: Any) -> str:
    """A value as `%v` prints it."""
    if isinstance(found, str):
        return found
    if found is None:
        return "<no value>"
    if isinstance(found, Nil):
        return found.shown
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return _float(found)
    if isinstance(found, Mapping):
        return _struct(found) if _is_struct(found) else _map(found)
    if isinstance(found, list | tuple):
        return f"[{' '.join(map(_inner, found))}]"
    return str(found)


def _is_struct(found: Mapping[str, Any]) -> bool:
    """Whether it is a struct in docker's Go: its keys are the names of fields."""
    if isinstance(found, OpenMap) or not found:
        return False
    return all(_FIELD.fullmatch(key) for key in found)


def _struct(found: Mapping[str, Any]) -> str:
    """The fields in their order; what can be called is none."""
    texts = [_in_struct(n, one) for n, one in found.items() if not callable(one)]
    return f"{{{' '.join(texts)}}}"


def _in_struct(name: str, found: Any) -> str:
    if isinstance(found, Mapping) and (name in OPEN_MAPS or not found):
        return _map(found)
    if found is None and name in NILS:
        return NILS[name].shown
    return _inner(found)


def _map(found: Mapping[str, Any]) -> str:
    pairs = (f"{key}:{_inner(found[key])}" for key in sorted(found))
    return f"map[{' '.join(pairs)}]"


def _inner(found: Any) -> str:
    if found == {}:
        return "{}"  # as in ExposedPorts, a set: its values are empty structs
    return "<nil>" if found is None else shown(found)


def _float(found: float) -> str:
    if found.is_integer() and abs(found) < 1e21:
        return str(int(found))
    mantissa, e, exponent = repr(found).partition("e")
    return f"{mantissa}e{int(exponent):+03d}" if e else mantissa


def sprint(arguments: Sequence[Any]) -> str:
    """Blanks stand only between two operands of which neither is a string."""
    text = ""
    for number, found in enumerate(arguments):
        before = arguments[number - 1] if number else ""
        if number and not isinstance(found, str) and not isinstance(before, str):
            text += " "
        text += shown(found)
    return text


def sprintf(form: str, arguments: Sequence[Any]) -> str:
    """What is wrong with the form goes into the text, as Go has it: `%!d(string=x)`."""
    rest = list(arguments)

    def one(found: re.Match[str]) -> str:
        flags, width, precision, verb = found.groups()
        if verb == "%":
            return "%"
        if verb is None:
            return "%!(NOVERB)"
        wide, minus = _amount(width, rest)
        exact, _ = _amount(precision, rest)
        if precision == "":
            exact = 0
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _verb(verb, flags, exact, rest.pop(0))
        flags += "-" * minus
        return _padded(text, flags, wide or 0, verb)

    text = _VERB.sub(one, form)
    if rest:
        extra = ", ".join(f"{_kind(found)}={shown(found)}" for found in rest)
        text += f"%!(EXTRA {extra})"
    return text


def _amount(text: str | None, rest: list[Any]) -> tuple[int | None, bool]:
    """A width or precision, which `*` takes from the arguments; and its minus."""
    if not text:
        return None, False
    given = rest.pop(0) if text == "*" and rest else text
    amount = int(given) if isinstance(given, int) or str(given).isdecimal() else 0
    return min(abs(amount), _MOST_WIDTH), amount < 0


def _padded(text: str, flags: str, width: int, verb: str) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb not in "sqv":
        sign = text[:1] if text[:1] in ("-", "+") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _kind(found: Any) -> str:
    if isinstance(found, Mapping):
        return "map[string]interface {}"
    if isinstance(found, list | tuple):
        return "[]interface {}"
    return _KINDS.get(type(found), "<nil>")


def _verb(verb: str, flags: str, exact: int | None, found: Any) -> str:
    if verb in "vs" and (verb == "v" or not isinstance(found, bool | int | float)):
        text = shown(found)
        return text if exact is None or verb == "v" else text[:exact]
    if verb == "q" and isinstance(found, str):
        return json.dumps(found if exact is None else found[:exact], ensure_ascii=False)
    if verb == "T":
        return _kind(found)
    if verb == "t" and isinstance(found, bool):
        return shown(found)
    if verb in "xX" and isinstance(found, str):
        text = found.encode("utf-8", "surrogateescape").hex()
        return text.upper() if verb == "X" else text
    text = _number(verb, flags, exact, found)
    return text or f"%!{verb}({_kind(found)}={shown(found)})"


def _number(verb: str, flags: str, exact: int | None, found: Any) -> str:
    """A number by its verb; "" when the verb is none for it."""
    if isinstance(found, bool):
        return ""
    sign = "+" if "+" in flags else " " if " " in flags else "-"
    if isinstance(found, int):
        if verb == "c":
            return chr(found) if 0 <= found <= 0x10FFFF else "\ufffd"
        if verb == "q":
            return f"'{chr(found)}'"
        if verb in "dboxX":
            return format(found, f"{sign}{'#' if '#' in flags else ''}{verb}")
    if isinstance(found, float) and verb in "eEfFgG":
        digits = (
            ""
            if exact is None and verb in "gG"
            else f".{6 if exact is None else exact}"
        )
        return format(found, f"{sign}{digits}{verb}")
    return ""
