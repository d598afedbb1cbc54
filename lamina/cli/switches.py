"""Switches with a word, as docker's command line takes them: `--rm=true`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

# strconv.ParseBool of Go.
_WORDS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def truth_of(word: str) -> bool | None:
    """What a word of Go's says; None for another word."""
    return _WORDS.get(word)


def has_words(arguments: Sequence[str]) -> bool:
    """Whether one of them looks like a switch with a word."""
    return any(
        text.startswith("-") and text.rpartition("=")[2] in _WORDS for text in arguments
    )


def without_words(
    arguments: Sequence[str], actions: Mapping[str, argparse.Action]
) -> list[str]:
    """The arguments as argparse takes them: `--rm` for `--rm=true`, nothing or
    `--no-rm` for `--rm=false`. What comes after the first argument that is no option
    may be another program's, and stays as it is.
    """
    found: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        text = rest.pop(0)
        name, equals, word = text.partition("=")
        action = actions.get(name)
        if equals and action is not None and action.nargs == 0 and word in _WORDS:
            off = f"--no-{name.lstrip('-')}"
            if _WORDS[word]:
                found.append(name)
            elif off in actions:
                found.append(off)
            continue
        found.append(text)
        if rest and not equals and _takes_next(text, actions):
            found.append(rest.pop(0))
    return found + rest


def _takes_next(text: str, actions: Mapping[str, argparse.Action]) -> bool:
    """Whether the argument after an option belongs to it."""
    if text.startswith("--"):
        return text in actions and actions[text].nargs != 0
    # `-it`, `-ePATH`, `-itp 80`: the first letter that takes something takes the rest.
    for position, letter in enumerate(text[1:], 1):
        action = actions.get(f"-{letter}")
        if action is None:
            return False
        if action.nargs != 0:
            return position == len(text) - 1
    return False
