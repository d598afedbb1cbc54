"""Annotations that are properties of the unit: `org.systemd.property.NAME`.

As runc and crun have it: the values are written as GVariant's text format has them,
such as `uint64 90000000`, `'inactive-or-failed'` or `['a', 'b']`.
"""

from __future__ import annotations

from lamina.runtime.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.runtime.cgroups.scopes import Property

_PREFIX = "org.systemd.property."
# The words for numbers: D-Bus type, lowest and highest.
_NUMBERS = {
    "byte": ("y", 0, 2**8 - 1),
    "int16": ("n", -(2**15), 2**15 - 1),
    "uint16": ("q", 0, 2**16 - 1),
    "int32": ("i", -(2**31), 2**31 - 1),
    "uint32": ("u", 0, 2**32 - 1),
    "int64": ("x", -(2**63), 2**63 - 1),
    "uint64": ("t", 0, 2**64 - 1),
}


def unit_properties(annotations: Mapping[str, str]) -> tuple[Property, ...]:
    """The properties among a container's annotations; raises ContainerError."""
    found = []
    for key, text in annotations.items():
        if key.startswith(_PREFIX):
            name = key.removeprefix(_PREFIX)
            if not (name.isascii() and name.isalpha() and len(name) > 2):
                raise ContainerError(f"{name!r} is not a property of a unit: {key}")
            try:
                found.append((name, _value(text.strip())))
            except ValueError:
                raise ContainerError(
                    f"the annotation {key} has no value of GVariant's: {text!r}",
                    hint="As in `uint64 90000000`, `'a text'`, `true`, `['a', 'b']`.",
                ) from None
    return tuple(found)


def _value(text: str) -> tuple[str, object]:
    if text in ("true", "false"):
        return "b", text == "true"
    if text[:1] in ("'", '"'):
        return "s", _string(text)
    if text[:1] == "[" and text[-1:] == "]":
        return "as", [_string(word.strip()) for word in text[1:-1].split(",")]
    word, _, number = text.rpartition(" ")
    kind, lowest, highest = _NUMBERS.get(word or "int32", ("", 0, -1))
    if not lowest <= int(number, 0) <= highest:
        raise ValueError(text)
    return kind, int(number, 0)


def _string(text: str) -> str:
    quote, inner = text[:1], text[1:-1]
    plain = quote in ("'", '"') and text[-1:] == quote and len(text) > 1
    if not plain or quote in inner or "\\" in inner:
        raise ValueError(text)
    return inner
