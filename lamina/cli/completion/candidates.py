"""What can come next on a command line: commands, flags, and the values of both.

The parsers of the commands themselves say what there is, so that no flag is forgotten.
"""

from __future__ import annotations

import argparse

from lamina.cli.commands import COMMANDS
from lamina.cli.completion.values import NOTHING, Candidates, values_of, with_prefix
from lamina.cli.main import Parser
from lamina.cli.spellings import GROUPS, about, spelled_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

_OWN = (
    ("--help", "show help"),
    ("--root", "where the store lies"),
    ("--version", "show the version"),
)
_HIDDEN = "__complete"


def complete(words: list[str], settings: Settings) -> Candidates:
    """What the last of `words` may become; the first is a command of `lamina`."""
    *before, current = words
    settings, before = _own_flags(before, settings)
    if before and before[-1] == "--root":
        return Candidates((), "directories")
    if not before:
        offered = [(name, about) for name, (_, about) in COMMANDS.items()]
        listed = [pair for pair in offered if pair[0] != _HIDDEN]
        return Candidates(with_prefix(current, [*listed, *_OWN]))
    if before[0] in GROUPS:
        if len(before) == 1:
            spelled = {"prune": "Remove what is not used"}
            spelled |= {name: about(words) for name, words in GROUPS[before[0]].items()}
            return Candidates(with_prefix(current, list(spelled.items())))
        before = spelled_out(before[0], before)
    if before[0] not in COMMANDS:
        return NOTHING
    line = _Line(_parser_of(before[0]), before[0])
    for word in before[1:]:
        line.take(word)
    return line.next(current, settings)


def _own_flags(words: list[str], settings: Settings) -> tuple[Settings, list[str]]:
    """Without the flags of `lamina` itself, which come first."""
    from lamina.values import replace

    while words and words[0].startswith("-"):
        name, equals, place = words[0].partition("=")
        if name != "--root":
            words = words[1:]
        elif equals or len(words) > 1:
            settings = replace(settings, root=place if equals else words[1])
            words = words[1 if equals else 2 :]
        else:
            break
    return settings, words


def _parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command."""
    from importlib import import_module

    commands = Parser(prog="lamina").add_subparsers(prog="lamina")
    import_module(COMMANDS[name][0]).add(commands)
    found: argparse.ArgumentParser = commands.choices[name]
    return found


class _Line:
    """A command line up to the word that is being typed."""

    def __init__(self, parser: argparse.ArgumentParser, command: str) -> None:
        self._command = command
        self._pending: argparse.Action | None = None
        self._plain = False
        self._enter(parser)

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        self._flags = parser._option_string_actions
        self._places = [a for a in parser._actions if not a.option_strings]
        self._given: list[str] = []

    def take(self, word: str) -> None:
        """One more word that is there already."""
        if self._pending is not None:
            self._pending = None
        elif self._plain or not word.startswith("-") or word == "-":
            self._take_argument(word)
        elif word == "--":
            self._plain = True
        else:
            self._pending = self._open_flag(word)

    def _take_argument(self, word: str) -> None:
        place = self._place()
        if isinstance(place, argparse._SubParsersAction):
            if word in place.choices:
                self._command += f" {word}"
                self._enter(place.choices[word])
            return
        self._given.append(word)
        # What follows the first word of another program's is that program's.
        self._plain = self._plain or self._ends_flags()

    def _ends_flags(self) -> bool:
        place = self._place()
        return place is not None and place.nargs == argparse.REMAINDER

    def _place(self) -> argparse.Action | None:
        """What the next argument is."""
        left = len(self._given)
        for place in self._places:
            if place.nargs not in (None, "?") or not left:
                return place
            left -= 1
        return None

    def _open_flag(self, word: str) -> argparse.Action | None:
        """The flag that wants the next word, if this one does not have its value."""
        if word.startswith("--"):
            action = self._flags.get(word)
            return action if action is not None and action.nargs != 0 else None
        for at, letter in enumerate(word[1:], 1):
            action = self._flags.get(f"-{letter}")
            if action is None or action.nargs != 0:
                return action if at == len(word) - 1 else None
        return None

    def next(self, current: str, settings: Settings) -> Candidates:
        """What the word that begins with `current` may be."""
        if self._pending is not None:
            return self._value(self._pending, current, settings)
        if current.startswith("--") and "=" in current and not self._plain:
            name, _, start = current.partition("=")
            if name not in self._flags:
                return NOTHING
            found = self._value(self._flags[name], start, settings)
            words = tuple((f"{name}={word}", about) for word, about in found.words)
            return Candidates(words, found.more)
        if current.startswith("-") and not self._plain:
            return Candidates(with_prefix(current, self._offered()))
        place = self._place()
        if place is None:
            return NOTHING
        if isinstance(place, argparse._SubParsersAction):
            listed = [(a.dest, a.help or "") for a in place._choices_actions]
            return Candidates(with_prefix(current, listed))
        return self._value(place, current, settings)

    def _offered(self) -> list[tuple[str, str]]:
        """The flags, by their long names where they have one."""
        found = []
        for action in dict.fromkeys(self._flags.values()):
            if action.help == argparse.SUPPRESS:
                continue
            long = [name for name in action.option_strings if name.startswith("--")]
            about = (action.help or "").replace("%%", "%")
            found += [(name, about) for name in long or action.option_strings]
        return sorted(found)

    def _value(
        self, action: argparse.Action, current: str, settings: Settings
    ) -> Candidates:
        return values_of(action, self._command, self._given, current, settings)
