"""Markup: HTML and SVG in which everything is escaped but what was made here.

A recipe, a log and a file name may hold anything; none of it can become an element,
an attribute or a character that XML forbids.
"""

from __future__ import annotations

# What XML 1.0, 2.2 leaves out of its characters, surrogates, and what turns the
# direction of text around (Unicode Standard Annex 9, 2).
_FORBIDDEN = dict.fromkeys(
    [
        *(*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0)),
        *(*range(0xD800, 0xE000), 0xFFFE, 0xFFFF),
        *(*range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    ],
    "\ufffd",
)
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}
_TABLE = {**_FORBIDDEN, **_ESCAPES, ord("'"): "&#39;"}
# HTML, 13.1.2: elements that have no end tag.
_VOID = frozenset({"meta", "br", "input", "link"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text as it stands in an element or in an attribute's quotes."""
    return Markup(text.translate(_TABLE))


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """`<name ...>children</name>`. Children are Markup, text, numbers, None, or
    iterables of those; `class_` is `class`, `data_x` is `data-x`; None leaves an
    attribute out, True gives it without a value."""
    head = name + "".join(
        _attribute(key.rstrip("_").replace("_", "-"), given)
        for key, given in attributes.items()
    )
    if name in _VOID:
        return Markup(f"<{head}>")
    return Markup(f"<{head}>{joined(*children)}</{name}>")


def joined(*children: object) -> Markup:
    """Children without an element around them."""
    return Markup("".join(_child(child) for child in children))


def _attribute(name: str, given: object) -> str:
    if given is None or given is False:
        return ""
    if given is True:
        return f" {name}"
    return f' {name}="{escaped(_text(given))}"'


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int | float):
        return escaped(_text(child))
    return joined(*child)  # type: ignore[misc]


def _text(given: object) -> str:
    """Numbers as short as a picture needs them."""
    if isinstance(given, float):
        return f"{given:.1f}".removesuffix(".0")
    return str(given)
