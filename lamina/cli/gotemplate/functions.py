"""What a template can call: Go's own functions, and those that docker adds.

Each raises ValueError with a sentence's rest for arguments that are none for it.
"""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from itertools import pairwise

from lamina.cli.gotemplate import printing
from lamina.cli.gotemplate.nil import Nil
from lamina.cli.gotemplate.printing import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Function = Callable[..., Any]


def is_true(found: Any) -> bool:
    """Whether `if` takes it: what is no zero and not empty."""
    return not isinstance(found, Nil) and bool(found)


# Go's


def _and(*found: Any) -> Any:
    return next((one for one in found[:-1] if not is_true(one)), found[-1])


def _or(*found: Any) -> Any:
    return next((one for one in found[:-1] if is_true(one)), found[-1])


def _len(found: Any) -> int:
    if isinstance(found, Nil):
        return 0
    if isinstance(found, str):
        return len(found.encode("utf-8", "surrogateescape"))
    if not isinstance(found, Mapping | list | tuple):
        raise ValueError(f"{shown(found)} has no length")
    return len(found)


def _index(holder: Any, *keys: Any) -> Any:
    """Step by step; a key that a map lacks gives its zero value, ""."""
    for key in keys:
        if holder is None or isinstance(holder, Nil) or holder == "":
            return ""
        if isinstance(holder, Mapping):
            if not isinstance(key, str):
                raise ValueError(f"{shown(key)} is no key, which is a string")
            holder = holder.get(key, "")
        elif isinstance(holder, list | tuple | str):
            holder = _item(holder, key)
        else:
            raise ValueError(f"{shown(holder)} has no index")
    return holder


def _item(holder: Any, key: Any) -> Any:
    if isinstance(key, bool) or not isinstance(key, int):
        raise ValueError(f"{shown(key)} is no index, which is a number")
    if not 0 <= key < len(holder):
        raise ValueError(f"the index {key} is out of range, there are {len(holder)}")
    return ord(holder[key]) if isinstance(holder, str) else holder[key]


def _slice(holder: Any, *bounds: Any) -> Any:
    if not isinstance(holder, str | list | tuple):
        raise ValueError(f"{shown(holder)} cannot be cut")
    if len(bounds) > 2 or not all(type(bound) is int for bound in bounds):
        raise ValueError("its bounds are one or two numbers")
    full = (*bounds, *(0, len(holder))[len(bounds) :])
    if not 0 <= full[0] <= full[1] <= len(holder):
        raise ValueError(f"the bounds {shown(full)} are out of range")
    return holder[full[0] : full[1]]


def _comparable(*found: Any) -> None:
    kinds = {_kind(one) for one in found} - {"nil"}
    if len(kinds) > 1:
        raise ValueError(f"{' and '.join(sorted(kinds))} are not comparable")


def _kind(found: Any) -> str:
    if found is None or isinstance(found, Nil):
        return "nil"
    if isinstance(found, bool):
        return "true or false"
    if isinstance(found, int | float):
        return "a number"
    if isinstance(found, str):
        return "a string"
    raise ValueError("lists and maps are not comparable")


def _eq(first: Any, *rest: Any) -> bool:
    if not rest:
        raise ValueError("there is nothing to compare with")
    found = False
    for other in rest:
        _comparable(first, other)
        same = _kind(first) == "nil" and _kind(other) == "nil"
        found = found or same or first == other
    return found


def _ordered(low: Any, high: Any) -> None:
    _comparable(low, high)
    if _kind(low) not in ("a number", "a string") or _kind(high) == "nil":
        raise ValueError("only numbers and strings have an order")


def _lt(low: Any, high: Any) -> bool:
    _ordered(low, high)
    return bool(low < high)


def _html(*found: Any) -> str:
    text = printing.sprint(found)
    for character, word in zip(
        "&<>\"'", ("amp", "lt", "gt", "#34", "#39"), strict=True
    ):
        text = text.replace(character, f"&{word};")
    return text


def _js(*found: Any) -> str:
    text = printing.sprint(found).replace("\\", "\\\\")
    for character in "<>&=":
        text = text.replace(character, f"\\u{ord(character):04X}")
    return text.replace("'", "\\'").replace('"', '\\"').replace("\n", "\\u000A")


def _urlquery(*found: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(printing.sprint(found), safe="~")


# docker's (docker/cli, templates/templates.go)


def json(found: Any) -> str:
    """As Go's encoder writes it, without blanks and without what is called."""
    return json_text.dumps(
        _plain(found), ensure_ascii=False, separators=(",", ":"), default=_nil
    )


def _plain(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {k: _plain(v) for k, v in found.items() if not callable(v)}
    return found


def _nil(found: Any) -> None:
    if not isinstance(found, Nil):
        raise ValueError("it cannot be said in JSON")


def _join(parts: Any, separator: Any) -> str:
    if isinstance(parts, Nil):
        return ""
    if not isinstance(parts, list | tuple):
        raise ValueError(f"{shown(parts)} is no list")
    return _text(separator).join(map(shown, parts))


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise ValueError(f"{shown(found)} is no string")
    return found


def _title(found: Any) -> str:
    """The first letter of each word is made a capital, the others stay."""
    pairs = pairwise(" " + _text(found))
    return "".join(b if a.isalnum() or a in "_'" else b.upper() for a, b in pairs)


def _pad(found: Any, before: Any, after: Any) -> str:
    text = _text(found)
    return " " * min(before, 10_000) + text + " " * min(after, 10_000) if text else ""


def _truncate(found: Any, most: Any) -> str:
    return _text(found)[: max(0, most)]


FUNCTIONS: dict[str, Function] = {
    "and": _and,
    "or": _or,
    "not": lambda found: not is_true(found),
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": lambda *found: printing.sprint(found),
    "println": lambda *found: " ".join(map(shown, found)) + "\n",
    "printf": lambda form, *found: printing.sprintf(_text(form), found),
    "html": _html,
    "js": _js,
    "urlquery": _urlquery,
    "eq": _eq,
    "ne": lambda first, second: not _eq(first, second),
    "lt": _lt,
    "le": lambda low, high: not _lt(high, low),
    "gt": lambda high, low: _lt(low, high),
    "ge": lambda high, low: not _lt(high, low),
    "json": json,
    "split": lambda text, separator: _text(text).split(_text(separator)),
    "join": _join,
    "title": _title,
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "pad": _pad,
    "truncate": _truncate,
}


def _same(found: Any, *_: Any) -> Any:
    return found


# In a heading, `{{upper .Image}}` is the heading of .Image (HeaderFunctions).
HEADINGS: dict[str, Function] = FUNCTIONS | dict.fromkeys(
    ("json", "title", "lower", "upper", "truncate", "join", "split", "pad"), _same
)
