"""What mends a problem: from the hints of errors and findings to edits."""

from __future__ import annotations

import re

from lamina.lang.checks.rules import RULES
from lamina.lang.dialect import directive
from lamina.lang.lines import DIRECTIVES
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.assist.reading import Reading
    from lamina.lang.source import Span

_MEANT = re.compile(r"Did you mean (\S+)\?")
_WORDS = re.compile(r"--[\w-]+|\w[\w.-]*")
# Longer places are whole instructions, in which the wrong word is not the only one.
LONGEST = 200


@value
class Fix:
    """An edit: `text` instead of what is between `start` and `end`."""

    title: str
    start: int
    end: int
    text: str
    preferred: bool = False


def fixes(reading: Reading, code: str, hint: str, place: Span) -> Iterator[Fix]:
    """The ways to mend what was found at a place: the word that was probably meant,
    and to leave the check `code` out there."""
    meant = _MEANT.search(hint)
    if meant is not None and place.end - place.start <= LONGEST:
        yield from _meant(reading.source.text, place, meant[1])
    line = reading.at(place.start)
    if line is not None and any(rule.name == code for rule in RULES):
        # In the heading the comment would be for the whole file.
        blank = "\n" if _in_heading(reading.source.text[: line.start]) else ""
        text = f"{blank}# check=skip={code}\n"
        yield Fix(f"Leave {code} out here", line.start, line.start, text)


def _in_heading(above: str) -> bool:
    """Whether a directive that follows `above` is one of the whole file's."""
    found = (directive(line.strip()) for line in above.splitlines())
    return all(known is not None and known[0] in DIRECTIVES for known in found)


def _meant(text: str, place: Span, word: str) -> Iterator[Fix]:
    import difflib

    near: dict[str, re.Match[str]] = {}
    for found in _WORDS.finditer(text, place.start, place.end):
        near.setdefault(found[0].lower(), found)
    for name in difflib.get_close_matches(word.lower(), near, n=1):
        found = near[name]
        yield Fix(f"Write {word}", found.start(), found.end(), word, True)
