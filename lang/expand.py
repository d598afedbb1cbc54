"""The value of a word in an environment: `$name`, `${name:-default}`, patterns.

The rules are those of BuildKit's `shell/lex.go`. Words come from the parser already
taken apart, so nothing here reads syntax.
"""

from __future__ import annotations

from lamina.lang.nodes import Substitution
from lamina.lang.source import RecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.lang.nodes import Heredoc, Parts, Word
    from lamina.lang.source import Span


def expand(word: Word, env: Mapping[str, str], escape: str = "\\") -> str:
    """The word's value. Raises RecipeError at the word: `${NAME:?message}`.

    All words of one instruction expand in the environment *before* it.
    """
    parts = word.parts
    if parts is None:
        text = word.text
        if not ("$" in text or '"' in text or "'" in text or escape in text):
            return text
        parts = _take_apart("word", text, word.span, escape)
    return _Expansion(env, word.span, escape).text(parts)


def expand_list(
    word: Word, env: Mapping[str, str], escape: str = "\\"
) -> tuple[str, ...]:
    """The words that the word becomes: what variables hold is split at blanks,
    unless it stood in double quotes (EXPOSE). An empty result is no word."""
    parts = word.parts
    if parts is None:
        parts = _take_apart("word", word.text, word.span, escape)
    expansion = _Expansion(env, word.span, escape)
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
    return _Expansion(env, heredoc.span, "\\").text(parts)


def _take_apart(start: str, text: str, span: Span, escape: str) -> Parts:
    from lamina.lang.grammar import take_apart  # only for words made by hand

    parts = take_apart(start, text, span, escape)
    return (text,) if parts is None else parts


class _Expansion:
    """Expands parts in one environment; errors point at one span."""

    def __init__(self, env: Mapping[str, str], span: Span, escape: str) -> None:
        self.env = env
        self.span = span
        self.escape = escape

    def text(self, parts: Parts) -> str:
        return "".join(
            part if isinstance(part, str) else self.substitute(part) for part in parts
        )

    def substitute(self, part: Substitution) -> str:
        operator = part.operator
        if not operator:
            return self.env.get(part.name, "")
        argument = self.text(part.argument)
        if operator[-1] in "-+?":
            return self.conditional(part.name, operator, argument)
        found = self.env.get(part.name, "")
        pattern = _pattern(argument, self.escape)
        if operator[0] == "#":
            return _trim(found, pattern, longest=len(operator) == 2)
        if operator[0] == "%":
            return _trim(found[::-1], pattern[::-1], longest=len(operator) == 2)[::-1]
        replacement = self.text(part.replacement)
        if operator == "//$":
            return _replace(found, pattern, _with_match(replacement), every=True)
        return _replace(found, pattern, lambda _: replacement, every=operator == "//")

    def conditional(self, name: str, operator: str, argument: str) -> str:
        """`-` a default, `+` an alternative, `?` an error; with `:` an empty
        variable counts as unset."""
        found = self.env.get(name)
        there = found is not None and not (operator[0] == ":" and not found)
        if operator[-1] == "+":
            return argument if there else ""
        if there:
            return found or ""
        if operator[-1] == "-":
            return argument
        state = "unset" if found is None else "empty"
        raise RecipeError(
            f"{name}: {argument or f'is not allowed to be {state}'}", self.span
        )


# A pattern is a list of characters, with these two for `?` and `*`. Neither matches
# a newline.
ONE = "one character"
ANY = "any number of them"


def _pattern(text: str, escape: str) -> list[str]:
    signs = {"*": ANY, "?": ONE}
    pattern = []
    characters = iter(text)
    for character in characters:
        if character in ("\\", escape):
            pattern.append(next(characters, character))
        else:
            pattern.append(signs.get(character, character))
    return pattern


def _ends(pattern: list[str], text: str, starts: set[int]) -> set[int]:
    """Where a match of the whole pattern can end that begins at one of `starts`.

    Steps through the pattern with all places at once, so that no pattern is slow.
    """
    places = starts
    for sign in pattern:
        if sign == ANY:
            reached: set[int] = set()
            for place in sorted(places):
                if place not in reached:
                    end = text.find("\n", place)
                    reached.update(range(place, (len(text) if end < 0 else end) + 1))
            places = reached
        else:
            places = {
                place + 1
                for place in places
                if place < len(text)
                and (text[place] == sign or (sign == ONE and text[place] != "\n"))
            }
    return places


def _trim(text: str, pattern: list[str], longest: bool) -> str:
    """`text` without the shortest or longest match at its start."""
    ends = _ends(pattern, text, {0})
    return text[max(ends) if longest else min(ends) :] if ends else text


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


def _replace(
    text: str, pattern: list[str], replacement: Callable[[str], str], every: bool
) -> str:
    """`text` with the leftmost, longest match replaced, or every one."""
    length = len(text)
    backwards = _ends(pattern[::-1], text[::-1], set(range(length + 1)))
    starts = sorted(length - place for place in backwards)
    pieces: list[str] = []
    done = 0
    for start in starts:
        if start < done:
            continue
        end = max(_ends(pattern, text, {start}))
        if start == end == done and pieces:
            continue  # nothing, right after a match, is no match
        pieces += [text[done:start], replacement(text[start:end])]
        done = end
        if not every:
            break
    return "".join([*pieces, text[done:]])
