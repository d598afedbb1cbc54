"""Characters to tokens: Go's text/template/parse/lex.go.

Outside of `{{` and `}}` all is text. `{{- ` and ` -}}` take away the blanks next to
them; `{{/* */}}` is a comment. In actions blanks count: `.A .B` are two operands,
`.A.B` is one.
"""

from __future__ import annotations

import re

from lamina.cli.gotemplate.errors import BadSyntax
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

# Kinds of tokens beside those of one character, whose kind is the character.
TEXT, OPEN, CLOSE, END = "text", "{{", "}}", "end of the template"
FIELD, VARIABLE, NAME, CONSTANT, SPACE = (
    "field",
    "variable",
    "name",
    "constant",
    "blank",
)

_BLANKS = " \t\r\n"
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<text>"(?:[^"\\\n]|\\.)*" | `[^`]*` | '(?:[^'\\\n]|\\.)+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.]))
    | (?P<field>\.\w+)
    | (?P<variable>\$\w*)
    | (?P<name>[^\W\d]\w*)
    | (?P<sign>:=|[|(),.=])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
    r"|([0-7]{3})|(.?))",
    re.DOTALL,
)
_SIMPLE = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


@value
class Token:
    """`offset` is that in the template; `found` a constant's value, or the text."""

    kind: str
    offset: int
    found: Any


def tokens(template: str) -> Iterator[Token]:
    """All of a template's tokens, and END; raises BadSyntax."""
    position = 0
    while True:
        start = template.find("{{", position)
        text = template[position:] if start < 0 else template[position:start]
        trimmed = start >= 0 and _trims(template, start + 2)
        if trimmed:
            text = text.rstrip(_BLANKS)
        if text:
            yield Token(TEXT, position, text)
        if start < 0:
            yield Token(END, len(template), "")
            return
        inside = start + (3 if trimmed else 2)
        after = _comment_end(template, inside)
        if after < 0:
            yield Token(OPEN, start, "{{")
            after = yield from _action(template, start, inside)
        position = _after_trim(template, after)


def _trims(template: str, offset: int) -> bool:
    """Whether `- ` follows an opening."""
    return template[offset : offset + 1] == "-" and (
        template[offset + 1 : offset + 2] in tuple(_BLANKS)
    )


def _after_trim(template: str, after: int) -> int:
    """Where text goes on after a closing at `after`; ` -}}` takes blanks along."""
    if template[after - 3 : after - 2] != "-" or template[after - 4] not in _BLANKS:
        return after
    while template[after : after + 1] in tuple(_BLANKS):
        after += 1
    return after


def _comment_end(template: str, inside: int) -> int:
    """Where the action ends that is a comment; -1 when it is none."""
    start = inside
    while template[start : start + 1] in tuple(_BLANKS):
        start += 1
    if not template.startswith("/*", start):
        return -1
    end = template.find("*/", start + 2)
    if end < 0:
        raise BadSyntax("the comment is never closed", template, start)
    rest = re.compile(r"(?:\s-)?\}\}").match(template, end + 2)
    if rest is None:
        raise BadSyntax("after a comment comes }}", template, end + 2)
    return rest.end()


def _action(template: str, opening: int, position: int) -> Generator[Token, None, int]:
    """The tokens up to `}}`, CLOSE being the last; returns where they end."""
    while True:
        if template.startswith("}}", position):
            yield Token(CLOSE, position, "}}")
            return position + 2
        if re.compile(r"[ \t\r\n]-\}\}").match(template, position):
            yield Token(CLOSE, position, "}}")
            return position + 4
        found = _TOKEN.match(template, position)
        if found is None:
            raise _unreadable(template, opening, position)
        end = found.end()
        if found.lastgroup == "space" and template.startswith("-}}", end):
            # The last of the blanks belongs to the closing.
            end -= 1
            if end == position:
                continue
        yield _token(template, found)
        position = end


def _unreadable(template: str, opening: int, position: int) -> BadSyntax:
    if position >= len(template):
        return BadSyntax("the action is never closed by }}", template, opening)
    if template[position] in "\"`'":
        return BadSyntax("the quotes are never closed", template, position)
    character = template[position]
    return BadSyntax(f"{character!r} means nothing here", template, position)


def _token(template: str, found: re.Match[str]) -> Token:
    kind, text, offset = found.lastgroup, found.group(), found.start()
    if kind == "space":
        return Token(SPACE, offset, text)
    if kind == "text":
        return Token(CONSTANT, offset, _constant(template, offset, text))
    if kind == "number":
        return Token(CONSTANT, offset, _number(text))
    if kind == "field":
        return Token(FIELD, offset, text[1:])
    if kind == "variable":
        return Token(VARIABLE, offset, text)
    return Token(NAME if kind == "name" else text, offset, text)


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    try:
        return int(plain, 0)
    except ValueError:
        return int(plain, 8) if plain.lstrip("+-").isdecimal() else float(plain)


def _constant(template: str, offset: int, text: str) -> str | int:
    """A Go string, or the number of a character in single quotes."""
    if text[0] == "`":
        return text[1:-1]

    def plain(escape: re.Match[str]) -> str:
        simple, byte, short, long, octal, _ = escape.groups()
        if simple:
            return _SIMPLE.get(simple, simple)
        code = int(octal, 8) if octal else int(byte or short or long or "-1", 16)
        if not 0 <= code <= 0x10FFFF:
            place = offset + 1 + escape.start()
            raise BadSyntax(f"{escape.group()!r} is no escape", template, place)
        return chr(code)

    inner = _ESCAPE.sub(plain, text[1:-1])
    if text[0] == '"':
        return inner
    if len(inner) != 1:
        raise BadSyntax(f"{text} is not one character", template, offset)
    return ord(inner)
