"""Word expansion once more: character by character, slow, and easy to see through.

Written from the rules of BuildKit's `shell/lex.go`, and with `re` for the patterns,
as that has Go's regular expressions. What `lang.expand` does is compared with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


class Refused(Exception):
    """The word is wrong, or `${NAME:?}` refuses the environment."""


def reference(
    text: str, env: Mapping[str, str], escape: str = "\\", compat: bool = False
) -> str:
    """The value of a word; with `compat`, BuildKit's."""
    expansion = Expansion(text, env, escape, compat)
    return "".join(text for text, _ in expansion.until(None))


def reference_list(text: str, env: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The words that a word without blanks becomes."""
    words = [""]
    for piece, splits in Expansion(text, env, escape).until(None):
        for character in piece:
            if splits and character.isspace():
                words.append("")
            else:
                words[-1] += character
    return [word for word in words if word]


class Expansion:
    """A place in a word."""

    def __init__(
        self, text: str, env: Mapping[str, str], escape: str, compat: bool = False
    ) -> None:
        self.text = text
        self.env = env
        self.escape = escape
        self.compat = compat
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        self.at += 1
        return self.text[self.at - 1 : self.at]

    def until(self, stop: str | None, raw: bool = False) -> list[tuple[str, bool]]:
        """The pieces up to `stop`, and whether what a variable holds there is split.

        `raw` keeps escapes, as patterns want them.
        """
        pieces: list[tuple[str, bool]] = []
        while (character := self.next()) != "":
            if character == stop:
                return pieces
            if character == "'":
                pieces.append((self.single(), False))
            elif character == '"':
                pieces.append((self.double(raw), False))
            elif character == "$":
                pieces.append((self.dollar(), True))
            elif character == self.escape:
                pieces.append(((character if raw else "") + self.next(), False))
            else:
                pieces.append((character, False))
        if stop is not None:
            raise Refused("not closed")
        return pieces

    def joined(self, stop: str, raw: bool) -> str:
        return "".join(text for text, _ in self.until(stop, raw))

    def single(self) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            raise Refused("not closed")
        found, self.at = self.text[self.at : end], end + 1
        return found

    def double(self, raw: bool) -> str:
        found = ""
        while (character := self.next()) != "":
            if character == '"':
                return found
            if character == "$":
                found += self.dollar()
            elif character == self.escape and self.peek() in ('"', "$", self.escape):
                found += (character if raw else "") + self.next()
            elif character == self.escape and raw:
                # It is literal, and a pattern has to know that.
                found += character * 2
            else:
                found += character
        raise Refused("not closed")

    def dollar(self) -> str:
        if self.peek() == "{":
            self.next()
            return self.braces()
        name = self.name()
        return self.env.get(name, "") if name else "$"

    def name(self) -> str:
        form = re.compile(r"\d+|[@*#?$!-]|[^\W\d]\w*")
        found = form.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def braces(self) -> str:
        name = self.name()
        if not name and not (self.compat and self.peek() in ("+", "%", "/")):
            raise Refused("no name")
        sign = self.next()
        if sign == "}":
            return self.env.get(name, "")
        if self.compat and sign == ":" and self.peek() in ("#", "%"):
            sign = self.next()
        if sign in ("#", "%", "/") and self.peek() == sign:
            sign += self.next()
        if sign in ("#", "##", "%", "%%"):
            return self.trimmed(name, sign, self.joined("}", raw=True))
        if sign in ("/", "//"):
            pattern = self.joined("/", raw=True)
            replacement = self.joined("}", raw=True)
            return self.replaced(name, sign, pattern, replacement)
        if sign == ":":
            sign += self.next()
        if sign not in ("-", "+", "?", ":-", ":+", ":?"):
            raise Refused("no such form")
        word = self.joined("}", raw=False)
        return self.conditional(name, sign, word)

    def conditional(self, name: str, sign: str, word: str) -> str:
        value = self.env.get(name)
        there = bool(value) if sign[0] == ":" else value is not None
        if sign[-1] == "+":
            return word if there else ""
        if there:
            return value or ""
        if sign[-1] == "?":
            raise Refused(word)
        return word

    def trimmed(self, name: str, sign: str, pattern: str) -> str:
        """Without the longest, or the shortest, end that the pattern matches."""
        value = self.env.get(name, "")
        if self.compat and pattern.startswith(sign) and len(sign) == 1:
            sign, pattern = sign * 2, pattern[1:]
        form = re.compile(self.regex(pattern))
        lengths = range(len(value) + 1)
        for length in reversed(lengths) if len(sign) == 2 else lengths:
            cut = length if sign[0] == "#" else len(value) - length
            part = value[:cut] if sign[0] == "#" else value[cut:]
            if form.fullmatch(part):
                return value[cut:] if sign[0] == "#" else value[:cut]
        return value

    def replaced(self, name: str, sign: str, pattern: str, replacement: str) -> str:
        """With the leftmost match replaced, or every one: nothing, right behind a
        match, is none."""
        found = self.env.get(name, "")
        form = re.compile(self.regex(pattern))
        done, last, behind = "", 0, False
        for match in form.finditer(found):
            if match.end() == match.start() == last and behind:
                continue
            behind = True
            done += found[last : match.start()]
            groups = self.compat and sign == "//"
            done += _expanded(replacement, match) if groups else replacement
            last = match.end()
            if len(sign) == 1:
                break
        return done + found[last:]

    def regex(self, pattern: str) -> str:
        signs = {"*": ".*", "?": "."}
        form = ""
        characters = iter(pattern)
        for character in characters:
            if character == "\\" and self.compat:
                escaped = next(characters, "")
                if escaped not in ("*", "?", "\\", "/", "}"):
                    raise Refused("no such escape")
                form += re.escape(escaped)
            elif character in ("\\", self.escape) and not self.compat:
                form += re.escape(next(characters, character))
            else:
                form += signs.get(character, re.escape(character))
        return form


def _expanded(replacement: str, match: re.Match[str]) -> str:
    """A replacement as Go's regular expressions have it: `$0` is the match."""

    def group(name: re.Match[str]) -> str:
        dollar, braced, plain = name.groups()
        return dollar or (match[0] if "0" in (braced, plain) else "")

    return re.sub(r"\$(?:(\$)|\{(\w+)\}|(\w+))", group, replacement)
