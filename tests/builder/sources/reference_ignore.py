"""`.dockerignore` after the description of moby's patternmatcher, in another way.

A pattern is turned into one expression as upstream's `compile` does it, character by
character, with upstream's three special cases; a path is excluded by going through
all patterns. Slow, short, and with nothing of `lamina.builder.sources.ignore` in it.
"""

from __future__ import annotations

import posixpath
import re

BOM = "\ufeff"


def read(text: str) -> list[tuple[bool, str]]:
    """The patterns of a file as (is an exception, cleaned pattern)."""
    found = []
    for line in text.removeprefix(BOM).split("\n"):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        exception = pattern[0] == "!"
        pattern = clean(pattern[exception:].strip())
        found.append((exception, pattern))
    return found


def clean(pattern: str) -> str:
    path = posixpath.normpath(pattern)
    while path.startswith("//"):
        path = path[1:]
    return path[1:] if len(path) > 1 and path[0] == "/" else path


def excluded(patterns: list[tuple[bool, str]], path: str) -> bool:
    verdict = False
    parts = path.split("/")
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for exception, pattern in patterns:
        if exception == verdict and any(matches(pattern, name) for name in above):
            verdict = not exception
    return verdict


def matches(pattern: str, path: str) -> bool:
    kind, regular = compiled(pattern)
    if kind == "exact":
        return path == pattern
    if kind == "prefix":
        return path.startswith(pattern[:-2])
    if kind == "suffix":
        rest = pattern[2:]
        return path.endswith(rest) or (rest[:1] == "/" and path == rest[1:])
    return re.fullmatch(regular, path, re.DOTALL) is not None


def compiled(pattern: str) -> tuple[str, str]:
    kind, out, at, first = "exact", "", 0, True
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*" and pattern[at : at + 1] == "*":
            at += 2 if pattern[at + 1 : at + 2] == "/" else 1
            if at < len(pattern):
                out, kind = out + "(.*/)?", "regular"
            elif kind == "exact":
                kind = "prefix"
            else:
                out, kind = out + ".*", "regular"
            if first:
                kind = "suffix"
        elif char == "*":
            out, kind = out + "[^/]*", "regular"
        elif char == "?":
            out, kind = out + "[^/]", "regular"
        elif char == "\\":
            out, kind = out + re.escape(pattern[at]), "regular"
            at += 1
        elif char == "[":
            end = pattern.index("]", at + 1)
            out, kind = out + pattern[at - 1 : end + 1], "regular"
            at = end + 1
        else:
            out += re.escape(char)
        first = False
    return kind, out
