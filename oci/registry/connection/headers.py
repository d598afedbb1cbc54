"""Headers: what their fields say, written by anybody."""

from __future__ import annotations

import re

from lamina.oci.registry.connection.address import is_web, joined, on_host_of

# Digits of the largest number that is looked at: bytes of a blob, seconds of a token.
_DIGITS = 18
_LINK = re.compile(r'<([^<>]*)>((?:[^,"]|"[^"]*")*)')
_NEXT = re.compile(r';\s*rel\s*=\s*"?\s*next\b', re.IGNORECASE)


def number(text: str) -> int | None:
    """A number without a sign; None for what is none, or too large to be meant."""
    sound = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if sound else None


def next_page(url: str, link: str) -> str:
    """Where the list goes on that `url` gave a page of, by its field Link (RFC 8288);
    "" at its end.

    That is on the host that was asked, whatever is written: those behind a proxy often
    say `http` for `https`, or a name of their own.
    """
    for target, parameters in _LINK.findall(link):
        if _NEXT.search(parameters):
            found = joined(url, target)
            return on_host_of(url, found) if is_web(found) else ""
    return ""
