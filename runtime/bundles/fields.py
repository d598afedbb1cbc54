"""Fields of a JSON object, by their type: what is missing or null has a default.

An engine's document is not trusted to have the form it should: a wrong type is an
error that names the field, and nothing else.
"""

from __future__ import annotations

from lamina.runtime.bundles.json_text import InvalidJson
from lamina.values import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Object = Mapping[str, Any]

# An id is below (uid_t)-1; a size or a count below what the kernel's files take.
_MOST_IDS = 2**32 - 1
_MOST = 2**64


def obj(given: Object, name: str) -> Object:
    """An object; empty when it is missing."""
    return _typed(given, name, dict, "an object", EMPTY)  # type: ignore[no-any-return]


def array(given: Object, name: str) -> list[Any]:
    return _typed(given, name, list, "an array", [])  # type: ignore[no-any-return]


def objects(given: Object, name: str) -> list[Object]:
    """An array of objects."""
    found = array(given, name)
    for row in found:
        if not isinstance(row, dict):
            raise InvalidJson(f"`{name}` is not an array of objects")
    return found


def text(given: Object, name: str, default: str = "") -> str:
    found: str = _typed(given, name, str, "a string", default)
    if "\0" in found:
        raise InvalidJson(f"`{name}` has a NUL in it")
    return found


def texts(given: Object, name: str) -> tuple[str, ...]:
    """An array of strings."""
    found = array(given, name)
    for row in found:
        if not isinstance(row, str) or "\0" in row:
            raise InvalidJson(f"`{name}` is not an array of strings")
    return tuple(found)


def flag(given: Object, name: str) -> bool:
    return _typed(given, name, bool, "true or false", False)  # type: ignore[no-any-return]


def number(given: Object, name: str, default: int = 0) -> int:
    found = optional_number(given, name)
    return default if found is None else found


def optional_number(given: Object, name: str) -> int | None:
    """A whole number, or None when it is missing."""
    found = given.get(name)
    if found is None:
        return None
    # What Go writes for large sizes is still whole: 1e+09.
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise InvalidJson(f"`{name}` is not a whole number")
    if not -_MOST < found < _MOST:
        raise InvalidJson(f"`{name}` is beyond 64 bits")
    return found


def id_number(given: Object, name: str) -> int:
    """A user's or a group's id (CVE-2024-40635: none wraps around)."""
    return checked_id(number(given, name), name)


def ids(given: Object, name: str) -> tuple[int, ...]:
    """An array of ids."""
    return tuple(checked_id(row, name) for row in array(given, name))


def checked_id(found: Any, name: str) -> int:
    if isinstance(found, bool) or not isinstance(found, int):
        raise InvalidJson(f"`{name}` is not a whole number")
    if not 0 <= found < _MOST_IDS:
        raise InvalidJson(f"`{name}`: {found} is not an id")
    return found


def mapping(given: Object, name: str) -> dict[str, str]:
    """An object whose values are strings."""
    found = obj(given, name)
    for key, row in found.items():
        if not isinstance(row, str):
            raise InvalidJson(f"`{name}.{key}` is not a string")
    return dict(found)


def _typed(given: Object, name: str, kind: type, called: str, default: Any) -> Any:
    found = given.get(name)
    if found is None:
        return default
    if not isinstance(found, kind):
        raise InvalidJson(f"`{name}` is not {called}")
    return found
