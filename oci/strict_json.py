"""Reading and writing the JSON of images.

Reading is strict, since two readers that understand one document differently are
how images get past checks (CVE-2021-41190): no duplicate keys, no NaN, a limit on
size and depth, and a type check for every field that is looked at. Writing gives
the bytes that Go's `encoding/json` gives, which Docker and BuildKit use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidImage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# The limits of containers/image; registries have to accept manifests of 4 MiB.
MAX_DOCUMENT = 4 << 20
_MAX_DEPTH = 64
_MAX_INT = 2**63 - 1
# Go escapes these so that JSON can stand inside HTML and JavaScript.
_GO_ESCAPES = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)

Object = Mapping[str, "Any"]


def parse_json(data: bytes, what: str, limit: int = MAX_DOCUMENT) -> Any:
    """`data` as JSON; `what` names it in errors. Raises InvalidImage.

    Half of a surrogate pair (`\\ud800`) is nothing that could be stored or printed: it
    is read as the replacement character, as in Go.
    """
    if len(data) > limit:
        raise broken(f"{what} has {len(data)} bytes; more than {limit} are not read")
    try:
        document = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise broken(f"{what} is not JSON that can be relied on: {error}") from (error)
    _check_depth(document, what)
    if (b"\\ud" in data or b"\\uD" in data) and not _is_text(document):
        return json.loads(_without_halves(json.dumps(document, ensure_ascii=False)))
    return document


def parse_object(data: bytes, what: str, limit: int = MAX_DOCUMENT) -> Object:
    """`data` as a JSON object."""
    document = parse_json(data, what, limit)
    if not isinstance(document, dict):
        raise broken(f"{what} is not a JSON object")
    return document


def dump_json(document: Any) -> bytes:
    """Compact JSON with the keys in the order given, escaped as Go escapes."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        text = _without_halves(text)
    return text.translate(_GO_ESCAPES).encode()


def _is_text(document: Any) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_halves(text: str) -> str:
    """With the replacement character for each half of a pair, as Go writes it."""
    pairs = text.encode("utf-16-le", "surrogatepass")
    return pairs.decode("utf-16-le", "replace")


def text_of(holder: Object, key: str, what: str) -> str:
    """A string; absent and null are the empty string, as in Go."""
    found = holder.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _wrong(what, key, "a string")
    return found


def integer_of(holder: Object, key: str, what: str) -> int:
    """An integer that fits 63 bits; absent and null are 0."""
    found = holder.get(key)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) > _MAX_INT:
        raise _wrong(what, key, "an integer")
    return found


def flag_of(holder: Object, key: str, what: str) -> bool:
    found = holder.get(key)
    if found is None:
        return False
    if not isinstance(found, bool):
        raise _wrong(what, key, "true or false")
    return found


def object_of(holder: Object, key: str, what: str) -> Object | None:
    """An object; None for absent and null."""
    found = holder.get(key)
    if found is not None and not isinstance(found, dict):
        raise _wrong(what, key, "an object")
    return found


def objects_of(holder: Object, key: str, what: str) -> tuple[Object, ...]:
    found = holder.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or any(not isinstance(f, dict) for f in found):
        raise _wrong(what, key, "a list of objects")
    return tuple(found)


def texts_of(holder: Object, key: str, what: str) -> tuple[str, ...] | None:
    """A list of strings; None for absent and null."""
    found = holder.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or any(not isinstance(f, str) for f in found):
        raise _wrong(what, key, "a list of strings")
    return tuple(found)


def mapping_of(holder: Object, key: str, what: str) -> dict[str, str]:
    """An object of strings; absent and null are empty, and so is a null inside."""
    found = object_of(holder, key, what) or {}
    if any(f is not None and not isinstance(f, str) for f in found.values()):
        raise _wrong(what, key, "an object of strings")
    return {name: inner or "" for name, inner in found.items()}


def digest_of(holder: Object, key: str, what: str) -> Digest:
    found = text_of(holder, key, what)
    if not found:
        raise broken(f"{what} has no {key!r}")
    return Digest.parse(found)


def broken(fault: str, hint: str = "") -> InvalidImage:
    """The error that says `fault` as a sentence; raise it."""
    return InvalidImage(f"{fault[0].upper()}{fault[1:]}.", hint=hint)


def _wrong(what: str, key: str, expected: str) -> InvalidImage:
    return broken(f"{what}: {key!r} is not {expected}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} is there twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _check_depth(document: Any, what: str) -> None:
    level = [document]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return
        level = inner
    raise broken(f"{what} is nested more than {_MAX_DEPTH} levels deep")
