"""Challenges: what WWW-Authenticate asks for (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lamina.values import value

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"\s*,*\s*({_TOKEN})(?:\s+|\s*$|\s*(?=,))")
_PARAMETER = re.compile(
    rf'\s*,*\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}[^\s,]*))'
)
_LIMIT = 8192


@value
class Challenge:
    """`scheme` and the names of `parameters` are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All challenges of a header, which may be several with commas between."""
    return tuple(_challenges(header[:_LIMIT]))


def _challenges(text: str) -> Iterator[Challenge]:
    at = 0
    while found := _SCHEME.match(text, at):
        at = found.end()
        parameters: dict[str, str] = {}
        while pair := _PARAMETER.match(text, at):
            name, quoted, plain = pair.groups()
            given = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(name.lower(), given)
            at = pair.end()
        yield Challenge(found.group(1).lower(), parameters)
