"""`.dockerignore`: which paths of a tree do not count.

The grammar and the verdicts are those of moby's `patternmatcher` and `ignorefile`,
which Docker and BuildKit use. A path is excluded when the last pattern that matches
it, or any directory above it, has no `!`. `--exclude` and `--parents` use the same
patterns. Most are plain words or `*.x`, and need no regular expression.
"""

from __future__ import annotations

import posixpath

from lamina.builder.errors import InvalidPattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# The index that `last_match` gives for a path that no pattern knows.
NO_MATCH = -1

_WILD = frozenset("*?[]\\")


class Ignore:
    """Patterns in their order. Compiled when first asked; immutable from then on.

    Walks go down from the root and hand each directory's `last_match` to what lies
    in it, so that one look at each name gives the verdict of all its parents too.
    """

    def __init__(self, patterns: tuple[str, ...] = (), name: str = "") -> None:
        self.name = name
        self.patterns = patterns
        self._negated = tuple(pattern.startswith("!") for pattern in patterns)
        self.has_exceptions = any(self._negated)
        bare = tuple(pattern.removeprefix("!") for pattern in patterns)
        self._matchers = tuple(_Matcher(pattern) for pattern in bare)
        self._exceptions = tuple(
            _literal_start(pattern)
            for pattern, negated in zip(bare, self._negated, strict=True)
            if negated
        )
        self._quick = _Quick(self._matchers)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def last_match(self, path: str, above: int = NO_MATCH) -> int:
        """The index of the last pattern that matches `path` or a directory above it.

        `above` is that index for the directory that `path` is in.
        """
        if not self._quick.may_match(path):
            return above
        for index in range(len(self._matchers) - 1, above, -1):
            if self._matchers[index].matches(path):
                return index
        return above

    def is_exclusion(self, index: int) -> bool:
        """Whether a path whose `last_match` is `index` is excluded."""
        return index >= 0 and not self._negated[index]

    def excludes(self, path: str) -> bool:
        """Whether `path` is excluded, by itself or with a directory above it."""
        found = NO_MATCH
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            found = self.last_match("/".join(parts[:depth]), found)
        return self.is_exclusion(found)

    def reason(self, path: str) -> str:
        """The pattern that excludes `path`, "" when none does."""
        found = NO_MATCH
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            found = self.last_match("/".join(parts[:depth]), found)
        return self.patterns[found] if self.is_exclusion(found) else ""

    def may_include_below(self, directory: str) -> bool:
        """Whether an exception could bring back something below an excluded directory.

        It could when the plain beginning of a `!` pattern and the directory lie on
        one path.
        """
        below = directory + "/"
        return any(
            start.startswith(below) or (wild and below.startswith(start))
            for start, wild in self._exceptions
        )


def parse_ignore(text: str, name: str) -> Ignore:
    """The patterns of an ignore file; `name` is for messages. Raises InvalidPattern."""
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if line.startswith("#"):
            continue
        pattern = line.strip()
        negated = pattern.startswith("!")
        if negated:
            pattern = pattern[1:].strip()
        if pattern:
            pattern = _clean(pattern)
            if len(pattern) > 1:
                pattern = pattern.removeprefix("/")
        if negated:
            pattern = "!" + pattern
        if pattern:
            patterns.append(_checked(pattern, f"{name}:{number}"))
    return Ignore(tuple(patterns), name)


def patterns_of(given: Iterable[str], name: str) -> Ignore:
    """Patterns that stand in the recipe (`--exclude`). Raises InvalidPattern, without
    a place, since only the caller knows the instruction's."""
    patterns = (_clean(pattern.strip()) for pattern in given if pattern.strip())
    return Ignore(tuple(_checked(pattern, "") for pattern in patterns), name)


def _clean(path: str) -> str:
    """Go's filepath.Clean."""
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _checked(pattern: str, place: str) -> str:
    if pattern == "!":
        raise InvalidPattern(
            "An exclamation mark alone excepts nothing.",
            place=place,
            hint="Write the pattern behind it: `!keep.txt`.",
        )
    if not is_glob(pattern.removeprefix("!")):
        raise InvalidPattern(
            f"The pattern {pattern!r} is not well-formed.",
            place=place,
            hint="Close each `[`; write `\\[` for the character itself.",
        )
    return pattern


def is_glob(pattern: str) -> bool:
    """Whether Go's filepath.Match takes `pattern`: classes closed and not empty."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
            if at == len(pattern):
                return False
        elif pattern[at] == "[":
            found = _class_at(pattern, at)
            if found is None:
                return False
            at = found[0]
        at += 1
    return True


def component_matcher(pattern: str) -> Callable[[str], object]:
    """A test of one name by Go's filepath.Match: `**` is two stars, which is one."""
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    if pattern == "*":
        return bool
    if _is_star_ending(pattern):
        end = pattern[1:]
        return lambda name: name.endswith(end)
    import re

    return re.compile(expression(pattern), re.DOTALL).fullmatch


def _class_at(
    pattern: str, start: int
) -> tuple[int, bool, list[tuple[str, str]]] | None:
    """The class that opens at `start`: where its `]` is, whether it is negated, and
    its ranges as pairs of characters. None when it is malformed."""
    negated = pattern.startswith("^", start + 1)
    at = start + 1 + negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _class_char(pattern, at)
        high = low
        if low and pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1)
        if not low or not high:
            return None
        ranges.append((low, high))
    return at, negated, ranges


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    """One character of a class and where the next is; "" when there can be none."""
    if pattern[at : at + 1] in ("", "-", "]"):
        return "", at
    at += pattern[at] == "\\"
    return pattern[at : at + 1], at + 1


class _Matcher:
    """One pattern, without its `!`, as the cheapest test that decides it.

    Exactly one of these is set: a `path` to equal, a `start` or an `end` of paths,
    an `end` of names at the root only (`root_end`), or an expression, made on demand.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.path = self.start = self.end = self.root_end = ""
        self._search: Callable[[str], object] | None = None
        head, stars, tail = pattern.partition("**/")
        if not _WILD.intersection(pattern):
            self.path = pattern
        elif not head and stars and not _WILD.intersection(tail):
            # `**/x` is x anywhere: a path that ends in /x, or is x.
            self.path, self.end = tail, "/" + tail
        elif pattern.startswith("**") and not _WILD.intersection(pattern[2:]):
            self.end = pattern[2:]
        elif pattern.endswith("**") and not _WILD.intersection(pattern[:-2]):
            self.start = pattern[:-2]
        elif not head and stars and _is_star_ending(tail):
            self.end = tail[1:]
        elif _is_star_ending(pattern):
            self.root_end = pattern[1:]

    @property
    def is_plain(self) -> bool:
        return bool(self.path or self.start or self.end or self.root_end)

    def matches(self, path: str) -> bool:
        """Whether the pattern matches exactly `path`."""
        if self.path or self.end:
            return path == self.path or bool(self.end and path.endswith(self.end))
        if self.start:
            return path.startswith(self.start)
        if self.root_end:
            return "/" not in path and path.endswith(self.root_end)
        if self.pattern == "*":
            return "/" not in path
        if self._search is None:
            import re

            self._search = re.compile(expression(self.pattern), re.DOTALL).fullmatch
        return self._search(path) is not None


def _is_star_ending(pattern: str) -> bool:
    """`*.pyc`: one star, then plain characters of one name."""
    rest = pattern[1:]
    return (
        pattern.startswith("*")
        and bool(rest)
        and "/" not in rest
        and not _WILD.intersection(rest)
    )


class _Quick:
    """All the plain patterns at once: three tests say "no" to most paths."""

    def __init__(self, matchers: tuple[_Matcher, ...]) -> None:
        self._always = not all(matcher.is_plain for matcher in matchers)
        self._paths = frozenset(m.path for m in matchers if m.path)
        ends = [m.end for m in matchers if m.end]
        self._ends = tuple(ends + [m.root_end for m in matchers if m.root_end])
        self._starts = tuple(m.start for m in matchers if m.start)

    def may_match(self, path: str) -> bool:
        return (
            self._always
            or path in self._paths
            or path.endswith(self._ends)
            or path.startswith(self._starts)
        )


def _literal_start(pattern: str) -> tuple[str, bool]:
    """A pattern's directories before its first wildcard, and whether it has one."""
    parts = pattern.split("/")
    plain = 0
    while plain < len(parts) and not _WILD.intersection(parts[plain]):
        plain += 1
    if plain == len(parts):
        return pattern, False
    return "".join(part + "/" for part in parts[:plain]), True


def expression(pattern: str) -> str:
    """`pattern` as a regular expression for a whole path, as `patternmatcher` does it.

    `**/` is any number of directories, none too; `**` at the end is anything.
    """
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1
            at += pattern.startswith("/", at)
            out.append(".*" if at == len(pattern) else "(?:.*/)?")
        elif char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            found = _class_at(pattern, at - 1)
            assert found is not None, "patterns are checked when they are read"
            out.append(_class(*found[1:]))
            at = found[0] + 1
        elif char == "\\":
            out.append(_escaped(pattern[at]))
            at += 1
        else:
            out.append(_escaped(char))
    return "".join(out)


def _class(negated: bool, ranges: list[tuple[str, str]]) -> str:
    """A `[...]`. A range that goes backwards holds nothing, where Python refuses it."""
    inside = "".join(
        f"{_escaped(low)}-{_escaped(high)}" for low, high in ranges if low <= high
    )
    if not inside:
        return "." if negated else "(?!)"
    return f"[^{inside}]" if negated else f"[{inside}]"


def _escaped(char: str) -> str:
    """`char` for itself, in an expression and in a class of one."""
    return char if char.isalnum() or char in "_/" else "\\" + char


NOTHING_IGNORED = Ignore()
