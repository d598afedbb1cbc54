"""Files of variables: `.env`, `env_file`, `--env-file`."""

from __future__ import annotations

import re

from lamina.services.compose.nodes import Node, Source
from lamina.services.compose.substitution import Unresolved, substitute
from lamina.services.errors import ComposeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_FILE = 4 << 20
# Characters of all values, with the variables in them.
MOST_TEXT = 16 << 20
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_KEY = re.compile(r"(?:export[ \t]+)?([\w.\-\[\]]+)[ \t]*([=:]|\n|\Z)[ \t]*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'((?:[^'\\]|\\'|\\)*?)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(0([0-7]{3})|.)", re.DOTALL)
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "$": "$$",
    "\\": "\\",
    '"': '"',
}


def parse_dotenv(
    name: str,
    data: bytes,
    lookup: Callable[[str], str | None],
    missing: Callable[[str], None],
) -> dict[str, str]:
    """The variables in a file's bytes, in their order.

    A name without a value takes it from `lookup`, which also comes before the file's
    own where a value names others. Raises ComposeError at what cannot be read.
    """
    text = _decode(name, data)
    source = Source(name, tuple(text.split("\n")))
    found: dict[str, str] = {}

    def known(wanted: str) -> str | None:
        given = lookup(wanted)
        return found.get(wanted) if given is None else given

    at = length = 0
    while True:
        at = _after(_BLANK, text, at)
        if at == len(text):
            return found
        key = _KEY.match(text, at)
        if not key:
            raise _wrong(source, text, at, "This is no `NAME=value`.")
        if key[2] not in ("=", ":"):
            given = lookup(key[1])
            if given is not None:
                found[key[1]] = given
            at = key.end()
            continue
        raw, end = _raw_value(source, text, key.end())
        try:
            found[key[1]] = raw[1:] if raw[0] == "'" else _expand(raw, known, missing)
        except Unresolved as error:
            raise _wrong(source, text, key.end(), error.message, error.hint) from None
        at = end
        length += len(found[key[1]])
        if length > MOST_TEXT:
            raise _wrong(source, text, at, "The variables get too long together.")


def parse_raw(
    name: str, data: bytes, lookup: Callable[[str], str | None]
) -> dict[str, str]:
    """The variables of an `env_file` with `format: raw`: each line as it stands."""
    found: dict[str, str] = {}
    for written in _decode(name, data).split("\n"):
        line = written.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, given = line.partition("=")
        here = given if equals else lookup(key)
        if here is not None:
            found[key] = here
    return found


def _expand(
    raw: str, known: Callable[[str], str | None], missing: Callable[[str], None]
) -> str:
    text = raw[1:]
    if raw[0] == '"':
        text = _ESCAPE.sub(_escaped, text)
    return substitute(text, known, missing)


def _escaped(found: re.Match[str]) -> str:
    if found[2]:
        return chr(int(found[2], 8) & 0xFF)
    return _ESCAPES.get(found[1], found[0])


def _raw_value(source: Source, text: str, at: int) -> tuple[str, int]:
    """A value behind its sign of quoting (`'`, `"` or `=` for none), and its end."""
    sign = text[at : at + 1]
    if sign in ('"', "'"):
        pattern = _DOUBLE if sign == '"' else _SINGLE
        found = pattern.match(text, at)
        if not found:
            raise _wrong(source, text, at, f"The quote {sign} is not closed.")
        inner = found[1].replace("\\'", "'") if sign == "'" else found[1]
        return sign + inner, found.end()
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    line = text[at:end]
    if line.startswith("#") and text[at - 1] in " \t":
        line = ""
    return "=" + re.split(r"\s#", line, maxsplit=1)[0].rstrip(), end


def _decode(name: str, data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        limit = LARGEST_FILE >> 20
        raise ComposeError(
            f"A file of variables holds at most {limit} MiB.", place=name
        )
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ComposeError(
            f"Byte 0x{data[error.start]:02x} is not valid UTF-8.",
            hint="Save the file as UTF-8.",
            place=name,
        ) from None
    if "\0" in text:
        raise ComposeError("A file of variables holds text, no NUL.", place=name)
    return text


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _wrong(
    source: Source, text: str, at: int, message: str, hint: str = ""
) -> ComposeError:
    line = text.count("\n", 0, at)
    column = at - text.rfind("\n", 0, at) - 1
    return Node("", source, line, column).error(message, hint=hint)
