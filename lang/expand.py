"""The value of a word in an environment: `$name`, `${name:-default}`, patterns.

The rules are those of BuildKit's `shell/lex.go`. Words come from the parser already
taken apart, so nothing here reads syntax.
"""

from __future__ import annotations

from lamina.lang.source import RecipeError
from lamina.lang.words import Substitution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lamina.lang.source import Span
    from lamina.lang.words import Heredoc, Parts, Word

# Characters that variables bring into one word; Linux gives a program 128 KiB.
LONGEST = 1 << 20
# Of what `${NAME:?message}` says.
LONGEST_MESSAGE = 500
# Signs of a pattern times characters of the value that it is tried on.
MOST_STEPS = 1 << 28


def expand(word: Word, env: Mapping[str, str], escape: str = "\\") -> str:
    """The word's value. Raises RecipeError at what cannot be replaced, as where
    `${NAME:?message}` says so.

    All words of one instruction expand in the environment *before* it.
    """
    parts = word.parts
    if parts is None:
        text = word.text
        if not ("$" in text or '"' in text or "'" in text or escape in text):
            return text
        parts = _take_apart("word", text, word.span, escape)
    return _Expansion(env, escape).text(parts)


def expand_list(
    word: Word, env: Mapping[str, str], escape: str = "\\"
) -> tuple[str, ...]:
    """The words that the word becomes: what variables hold is split at blanks,
    unless it stood in double quotes (EXPOSE). An empty result is no word."""
    parts = word.parts
    if parts is None:
        parts = _take_apart("word", word.text, word.span, escape)
    expansion = _Expansion(env, escape)
    words = [""]
    for part in parts:
        text = expansion.text((part,))
        if isinstance(part, str) or part.quoted:
            words[-1] += text
            continue
        if text[:1].isspace():
            words.append("")
        for place, piece in enumerate(text.split()):
            if place:
                words.append("")
            words[-1] += piece
        if text[-1:].isspace():
            words.append("")
    return tuple(filter(None, words))


def expand_heredoc(heredoc: Heredoc, env: Mapping[str, str]) -> str:
    """The text of the file that a heredoc of COPY or ADD is."""
    if not heredoc.expand:
        return heredoc.content
    parts = heredoc.parts
    if parts is None:
        content = heredoc.content
        if "$" not in content and "\\" not in content:
            return content
        parts = _take_apart("document", content, heredoc.span, "\\")
    return _Expansion(env, "\\").text(parts)


def _take_apart(start: str, text: str, span: Span, escape: str) -> Parts:
    from lamina.lang.grammar import take_apart  # only for words made by hand

    parts = take_apart(start, text, span, escape)
    return (text,) if parts is None else parts


class _Expansion:
    """Expands parts in one environment; errors point at a substitution."""

    def __init__(self, env: Mapping[str, str], escape: str) -> None:
        self.env = env
        self.escape = escape
        self.left = LONGEST

    def text(self, parts: Parts) -> str:
        return "".join(
            part if isinstance(part, str) else self.substitute(part) for part in parts
        )

    def substitute(self, part: Substitution) -> str:
        operator = part.operator
        if not operator:
            return self.value(part)
        argument = self.text(part.argument)
        if operator[-1] in "-+?":
            return self.conditional(part, argument)
        found = self.value(part)
        upstream = operator.endswith("$")
        sign = operator.removesuffix("$").removeprefix(":")
        if upstream and sign in ("#", "%") and argument.startswith(sign):
            sign, argument = sign * 2, argument[1:]
        pattern = self.pattern(part, argument, found, upstream)
        if sign[0] == "#":
            return _trim(found, pattern, longest=len(sign) == 2)
        if sign[0] == "%":
            return _trim(found[::-1], pattern[::-1], longest=len(sign) == 2)[::-1]
        return self.replaced(part, found, pattern)

    def replaced(self, part: Substitution, found: str, pattern: list[str]) -> str:
        """The value with what the pattern matches replaced."""
        replacement = self.text(part.replacement)
        groups = part.operator == "//$" and "$" in replacement
        made = _with_match(replacement) if groups else lambda _: replacement
        pieces = []
        for text, matched in _matches(found, pattern, part.operator[:2] == "//"):
            pieces.append(made(text) if matched else text)
            self.spend(part, len(pieces[-1]) if matched else 0)
        return "".join(pieces)

    def value(self, part: Substitution) -> str:
        found = self.env.get(part.name, "")
        self.spend(part, len(found))
        return found

    def spend(self, part: Substitution, length: int) -> None:
        """Refuse what grows without end: variables that hold each other ten times."""
        self.left -= length
        if self.left < 0:
            raise RecipeError(
                f"With its variables replaced, this has more than {LONGEST >> 20} MiB.",
                part.span,
            )

    def conditional(self, part: Substitution, argument: str) -> str:
        """`-` a default, `+` an alternative, `?` an error; with `:` an empty
        variable counts as unset."""
        found = self.env.get(part.name)
        there = found is not None and not (part.operator[0] == ":" and not found)
        if part.operator[-1] == "+":
            return argument if there else ""
        if there:
            return self.value(part)
        if part.operator[-1] == "-":
            return argument
        state = "unset" if found is None else "empty"
        said = argument[:LONGEST_MESSAGE] or f"is not allowed to be {state}"
        raise RecipeError(f"{part.name}: {said}", part.span)

    def pattern(
        self, part: Substitution, text: str, found: str, upstream: bool
    ) -> list[str]:
        """The signs of a pattern; in BuildKit's, only some can be escaped."""
        signs = {"*": ANY, "?": ONE}
        pattern = []
        characters = iter(text)
        for character in characters:
            if character != "\\" and (upstream or character != self.escape):
                pattern.append(signs.get(character, character))
                continue
            escaped = next(characters, "")
            if upstream and escaped not in ("*", "?", "\\", "/", "}"):
                raise RecipeError(
                    f"A pattern cannot escape {escaped!r}."
                    if escaped
                    else "A pattern cannot end with a backslash.",
                    part.span,
                )
            pattern.append(escaped or character)
        if len(pattern) * len(found) > MOST_STEPS:
            raise RecipeError(
                f"A pattern of {len(pattern):,} characters is too long for a value of "
                f"{len(found):,}.",
                part.span,
            )
        return pattern


# A pattern is a list of characters, with these two for `?` and `*`. Neither matches
# a newline.
ONE = "one character"
ANY = "any number of them"


def _ends(pattern: list[str], text: str, starts: int) -> int:
    """Where a match of the whole pattern can end that begins at one of `starts`.

    Places are the bits of a number, so that a step through the pattern takes all of
    them along at once: no pattern is slow.
    """
    whole = (1 << len(text)) - 1
    lines = whole ^ _places(text, "\n")
    known = {ONE: lines}
    found = starts
    for sign in pattern:
        if sign == ANY:
            # A carry runs from each place to the end of its line.
            found |= ((found & lines) + lines) ^ lines
        else:
            if sign not in known:
                known[sign] = _places(text, sign)
            found = (found & known[sign]) << 1
        if not found:
            break
    return found


def _places(text: str, sign: str) -> int:
    """The places of a character, as bits."""
    bits = bytearray(len(text) // 8 + 1)
    at = text.find(sign)
    while at >= 0:
        bits[at >> 3] |= 1 << (at & 7)
        at = text.find(sign, at + 1)
    return int.from_bytes(bits, "little")


def _trim(text: str, pattern: list[str], longest: bool) -> str:
    """`text` without the shortest or longest match at its start."""
    ends = _ends(pattern, text, 1)
    if not ends:
        return text
    return text[(ends if longest else ends & -ends).bit_length() - 1 :]


def _with_match(replacement: str) -> Callable[[str], str]:
    """The replacement as Go's regexp.Expand makes it: `$0` is the match; there are no
    groups, so every other `$name` is nothing."""
    import re

    sign = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")

    def expanded(match: str) -> str:
        def part(found: re.Match[str]) -> str:
            dollar, braced, plain = found.groups()
            return dollar or (match if (braced or plain) == "0" else "")

        return sign.sub(part, replacement)

    return expanded


def _matches(text: str, pattern: list[str], every: bool) -> Iterator[tuple[str, bool]]:
    """`text` in pieces, and which of them are matches: the leftmost, longest one, or
    every one."""
    length = len(text)
    backwards = _ends(pattern[::-1], text[::-1], (2 << length) - 1)
    # The bit of a start counts from the end of the text, as the digits do not.
    starts = f"{backwards:0{length + 1}b}"
    fixed = None if ANY in pattern else len(pattern)
    done, start, first = 0, starts.find("1"), True
    while start >= 0:
        end = start + fixed if fixed is not None else _longest(text, pattern, start)
        if first or not start == end == done:
            yield text[done:start], False
            yield text[start:end], True
            done, first = end, False
            if not every:
                break
        # Nothing, right after a match, is no match.
        start = starts.find("1", max(done, start + (start == end)))
    yield text[done:], False


def _longest(text: str, pattern: list[str], start: int) -> int:
    """Where the longest match that begins at `start` ends."""
    stop = start
    for _ in range(pattern.count("\n") + 1):
        stop = text.find("\n", stop) + 1
        if not stop:
            stop = len(text) + 1
            break
    return start + _ends(pattern, text[start : stop - 1], 1).bit_length() - 1
