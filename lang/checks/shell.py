"""A light reading of shell text: which commands it has, with which words.

For the checks of RUN, which ask "is there an `apt-get install` here, and of what?".
Shell grammar proper is context-dependent (aliases, here-documents, `case`), and no
check needs its tree; so this is a scanner of its tokens that never fails: text that
is no shell gives strange commands, not errors. It knows quotes, substitutions,
redirections, here-documents and comments; compound commands are seen as the simple
commands in them. Linear in the length of the text.
https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
"""

from __future__ import annotations

import re

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Words of the grammar that stand before a command; those that ask about the result of
# what follows, and those that end the question.
_ASK = frozenset({"if", "elif", "while", "until"})
_ANSWER = frozenset({"then", "else", "do"})
_RESERVED = _ASK | _ANSWER | {"!", "{", "}", "time", "fi", "done", "esac"}
# Programs whose arguments are another command.
_WRAPPERS = frozenset({"sudo", "env", "exec", "command", "builtin", "eatmydata"})
# `$(` in `$(` so deep is not looked into: each level is read once more.
_DEEPEST = 8

# What a command line goes on with. `word` is a whole one without quotes and the like,
# which most are; what none of these fits starts a word of pieces.
_TOKEN = re.compile(
    r"(?P<blank>(?:[ \t\r]|\\\n)+)|(?P<comment>#[^\n]*)"
    r"|(?P<redirection>\d*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?)"
    r"|(?P<operator>\n|;;&|;;|;&|;|&&|&|\|\||\|&|\||[()])"
    r"|(?P<word>[^ \t\r\n;&|()<>\\'\"`$]+)(?![^ \t\r\n;&|()<>])"
)
_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+")
_OPERATOR = re.compile(r"\n|;;&|;;|;&|;|&&|&(?!>)|\|\||\|&|\||[()]")
_REDIRECTION = re.compile(r"\d*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?")
_PLAIN = re.compile(r"[^ \t\r\n;&|()<>\\'\"`$]+")
_QUOTED = re.compile(r'[^"\\`$]+')
_NESTING = re.compile(r"[\\'\"`(){}]|\$[({]")
_CLOSING = {'"': '"', "$(": ")", "${": "}", "(": ")"}
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")


@value
class ShellWord:
    """A word without its quotes. `text` has substitutions as they were written;
    `literal` says that there are none. `start` and `end` are in the script."""

    text: str
    start: int
    end: int
    literal: bool = True


@value
class ShellCommand:
    """A simple command: its program and arguments, without reserved words.

    `assignments` stand before it (`A=b program`); `after` is the operator behind it
    (`&&`, `|`, `;`, a newline, ...; "" at the end). `depth` counts the parentheses and
    substitutions around it. `asked`: it stands in a condition, or behind `!`.
    """

    words: tuple[ShellWord, ...]
    after: str
    depth: int
    asked: bool
    assignments: tuple[ShellWord, ...] = ()

    @property
    def name(self) -> str:
        """The program's name without its folder."""
        return self.words[0].text.rpartition("/")[2]

    @property
    def start(self) -> int:
        return self.words[0].start

    @property
    def end(self) -> int:
        return self.words[-1].end

    def options(self, valued: frozenset[str]) -> dict[str, str]:
        """The options with their values; `valued` take the next word as theirs."""
        return dict(_options(self.words, valued))

    def operands(self, valued: frozenset[str]) -> tuple[ShellWord, ...]:
        """The arguments that are neither options nor the values of `valued` ones."""
        found: list[ShellWord] = []
        words = iter(self.words[1:])
        for word in words:
            if word.text == "--":
                return (*found, *words)
            if word.text in valued:
                next(words, None)
            elif not word.text.startswith("-"):
                found.append(word)
        return tuple(found)


def _options(
    words: tuple[ShellWord, ...], valued: frozenset[str]
) -> Iterator[tuple[str, str]]:
    rest = iter(words[1:])
    for word in rest:
        if word.text == "--":
            return
        if word.text in valued:
            following = next(rest, None)
            yield word.text, following.text if following is not None else ""
        elif word.text.startswith("-"):
            name, _, given = word.text.partition("=")
            yield name, given


def read_commands(text: str) -> tuple[ShellCommand, ...]:
    """All simple commands of a script, those inside others too, as they start."""
    found: list[ShellCommand] = []
    todo = [(0, len(text), 0)]
    closings: dict[int, int] = {}
    while todo:
        start, end, depth = todo.pop()
        reader = _Reader(text, (start, end), depth, closings)
        found += reader.read()
        if depth < _DEEPEST:
            todo += reader.inner
    return tuple(sorted(found, key=lambda command: command.start))


class _Reader:
    """A place in a script, and the command that is being put together."""

    def __init__(
        self, text: str, part: tuple[int, int], depth: int, closings: dict[int, int]
    ) -> None:
        self.text = text
        self.at, self.end = part
        # Where substitutions end, by the place behind their `$(`: found once for all
        # that are in one another.
        self.closings = closings
        self.depth = depth
        self.outermost = depth
        # Substitutions, to be read as scripts of their own.
        self.inner: list[tuple[int, int, int]] = []
        self.words: list[ShellWord] = []
        self.asking = False
        self.negated = False
        # Here-documents whose bodies start behind the line's end, and whether `<<-`.
        self.documents: list[tuple[str, bool]] = []

    def read(self) -> Iterator[ShellCommand]:
        while self.at < self.end:
            found = _TOKEN.match(self.text, self.at, self.end)
            kind = None if found is None else found.lastgroup
            if found is None:
                self.words.append(self.word())
                continue
            start, self.at = self.at, found.end()
            if kind == "word":
                self.words.append(ShellWord(found[0], start, self.at, True))
            elif kind == "operator":
                yield from self.command(found[0])
                self.nest(found[0])
            elif kind == "redirection":
                self.redirect(found[0])
        yield from self.command("")

    def command(self, after: str) -> Iterator[ShellCommand]:
        """End the command here, if there is one."""
        words, self.words = self.words, []
        place = 0
        while (
            place < len(words)
            and words[place].literal
            and words[place].text in _RESERVED
        ):
            word = words[place].text
            self.negated |= word == "!"
            self.asking = word in _ASK or (self.asking and word not in _ANSWER)
            place += 1
        asked = self.asking or self.negated
        self.negated = self.negated and after in ("|", "|&")
        if place < len(words):
            assignments, words = _unwrapped(words[place:])
            if words:
                yield ShellCommand(
                    tuple(words), after, self.depth, asked, tuple(assignments)
                )

    def nest(self, operator: str) -> None:
        """Go into and out of a subshell; skip here-documents behind their line."""
        if operator == "(":
            self.depth += 1
        elif operator == ")":
            self.depth = max(self.outermost, self.depth - 1)
        elif operator == "\n":
            for name, tabs in self.documents:
                self.skip_document(name, tabs)
            self.documents = []

    def redirect(self, operator: str) -> None:
        """Pass the target of a redirection: it is no argument."""
        blank = _BLANK.match(self.text, self.at, self.end)
        if blank is not None:
            self.at = blank.end()
        if self.at >= self.end or _OPERATOR.match(self.text, self.at, self.end):
            return
        if _REDIRECTION.match(self.text, self.at, self.end):
            return
        target = self.word()
        operator = operator.lstrip("0123456789")
        if operator in ("<<", "<<-"):
            self.documents.append((target.text, operator == "<<-"))

    def skip_document(self, name: str, tabs: bool) -> None:
        while self.at < self.end:
            newline = self.text.find("\n", self.at, self.end)
            stop = self.end if newline < 0 else newline
            line = self.text[self.at : stop]
            self.at = min(stop + 1, self.end)
            if (line.lstrip("\t") if tabs else line) == name:
                return

    def word(self) -> ShellWord:
        """The word that starts here: pieces that no blank or operator parts."""
        start = self.at
        pieces: list[str] = []
        literal = True
        while self.at < self.end:
            plain = _PLAIN.match(self.text, self.at, self.end)
            if plain is not None:
                pieces.append(plain[0])
                self.at = plain.end()
                continue
            sign = self.text[self.at]
            if sign in " \t\r\n;&|()<>":
                break
            piece, is_literal = self.piece(sign)
            pieces.append(piece)
            literal = literal and is_literal
        return ShellWord("".join(pieces), start, self.at, literal)

    def piece(self, sign: str) -> tuple[str, bool]:
        """A quoted, escaped or substituted piece of a word; whether it is literal."""
        start = self.at
        if sign == "\\":
            self.at = min(start + 2, self.end)
            escaped = self.text[start + 1 : self.at]
            return ("" if escaped == "\n" else escaped), True
        if sign == "'":
            self.at = self.after("'", start + 1)
            return self.text[start + 1 : self.at].removesuffix("'"), True
        if sign == '"':
            return self.double_quoted()
        return self.substitution(sign), False

    def double_quoted(self) -> tuple[str, bool]:
        self.at += 1
        pieces: list[str] = []
        literal = True
        while self.at < self.end:
            plain = _QUOTED.match(self.text, self.at, self.end)
            if plain is not None:
                pieces.append(plain[0])
                self.at = plain.end()
                continue
            sign = self.text[self.at]
            if sign == '"':
                self.at += 1
                break
            if sign == "\\":
                self.at = min(self.at + 2, self.end)
                pieces.append(self.text[self.at - 1])
            else:
                pieces.append(self.substitution(sign, quoted=True))
                literal = False
        return "".join(pieces), literal

    def substitution(self, sign: str, quoted: bool = False) -> str:
        """Pass `$name`, `${...}`, `$(...)`, `$((...))` or backquotes."""
        start = self.at
        if sign == "`":
            self.at = self.after("`", start + 1)
            self.inner.append((start + 1, self.at - 1, self.depth + 1))
        elif self.text.startswith("$((", start):
            self.at = self.closing(start + 2, ")", quoted)
        elif self.text.startswith("$(", start):
            self.at = self.closing(start + 2, ")", quoted)
            self.inner.append((start + 2, self.at - 1, self.depth + 1))
        elif self.text.startswith("${", start):
            self.at = self.closing(start + 2, "}", quoted)
        else:
            self.at += 1
        return self.text[start : self.at]

    def after(self, sign: str, start: int) -> int:
        """Where the next `sign` ends that no backslash escapes (in backquotes)."""
        at = self.text.find(sign, start, self.end)
        while at > start and sign == "`" and self.text[at - 1] == "\\":
            at = self.text.find(sign, at + 1, self.end)
        return self.end if at < 0 else at + 1

    def closing(self, at: int, sign: str, quoted: bool) -> int:
        """Where the `sign` ends that closes what was opened right before `at`."""
        if at in self.closings:
            return min(self.closings[at], self.end)
        start = at
        open_ = [('"' if quoted else "", at), (sign, at)]
        while len(open_) > 1 and at < self.end:
            found = _NESTING.search(self.text, at, self.end)
            if found is None:
                at = self.end
                break
            at, token, wanted = found.end(), found[0], open_[-1][0]
            if token == wanted:
                self.closings[open_.pop()[1]] = at
            elif token == "\\":
                at += 1
            elif token == "`" or (token == "'" and '"' not in (wanted, open_[-2][0])):
                # In double quotes an apostrophe is one.
                at = self.after(token, at)
            elif token in _CLOSING and (token != "(" or wanted == ")"):
                open_.append((_CLOSING[token], at))
        for _, place in open_[1:]:
            self.closings[place] = self.end
        return min(self.closings[start], self.end)


def _unwrapped(words: list[ShellWord]) -> tuple[list[ShellWord], list[ShellWord]]:
    """Assignments, and the command proper behind them and `sudo -E`, `env A=b`."""
    if words[0].text not in _WRAPPERS and "=" not in words[0].text:
        return [], words
    assignments: list[ShellWord] = []
    wrapped = False
    for place, word in enumerate(words):
        if word.text in _WRAPPERS:
            wrapped = True
        elif _ASSIGNMENT.match(word.text):
            assignments.append(word)
        elif not (wrapped and word.text.startswith("-")):
            return assignments, words[place:]
    return assignments, []
