"""JSON by hand, for processes that stay: the module `json` would make each keeper of a
container a tenth larger."""

from __future__ import annotations

from _json import encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def text(given: Any) -> str:
    """JSON of what JSON has: None, booleans, numbers, texts, sequences, mappings."""
    if given is None or isinstance(given, bool):
        return {None: "null", True: "true", False: "false"}[given]
    if isinstance(given, str):
        return encode_basestring_ascii(given)
    if isinstance(given, int | float):
        return repr(given)
    if isinstance(given, tuple | list):
        return "[" + ",".join(map(text, given)) + "]"
    pairs = (f"{text(str(key))}:{text(inner)}" for key, inner in given.items())
    return "{" + ",".join(pairs) + "}"
