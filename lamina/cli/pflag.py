"""A command line as docker reads it, by Go's pflag, in words that argparse takes.

A flag that needs a value takes the next word, whatever it is (`--entrypoint -x`); a
switch takes a word of its own (`--rm=false`, `-it=false`), and the last one counts;
flags may stand behind arguments, but where a command of a container's follows.
"""

from __future__ import annotations

from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    Actions = Mapping[str, argparse.Action]

# strconv.ParseBool of Go.
_WORDS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def truth_of(word: str) -> bool | None:
    """What a word of Go's says; None for another word."""
    return _WORDS.get(word)


@value
class _Flag:
    """One flag with what belongs to it; `given` is None for nothing."""

    name: str
    given: str | None = None


def flags_first(
    words: Sequence[str], actions: Actions, *, interspersed: bool
) -> tuple[list[str], list[str]]:
    """The flags of a command line, switches without words and values joined to them,
    and the arguments, behind which there may be flags if they are `interspersed`. What
    cannot be read so stays as it is, for argparse to complain of."""
    found: list[str] = []
    arguments: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found, [word, *arguments, *rest]
        if word == "-" or not word.startswith("-"):
            if not interspersed:
                return found, [word, *rest]
            arguments.append(word)
            continue
        for flag in _flags(word, rest, actions):
            _add(found, flag, actions)
    return found, arguments


def _flags(word: str, rest: list[str], actions: Actions) -> list[_Flag]:
    """The flags of a word; a value may be the first of `rest`, and is taken off."""
    if word in actions and actions[word].nargs == 0:
        return [_Flag(word)]
    if word.startswith("--"):
        name, equals, given = word.partition("=")
        if equals:
            return [_Flag(name, given)]
        return [_Flag(name, rest.pop(0) if _wants(name, actions) and rest else None)]
    found: list[_Flag] = []
    for position, letter in enumerate(word[1:], 2):
        name, after = f"-{letter}", word[position:]
        if name not in actions:
            # Whatever it is, the rest of the word says what of.
            return [*found, _Flag(name + after)]
        if after.startswith("="):
            return [*found, _Flag(name, after[1:])]
        if _wants(name, actions):
            last = after or (rest.pop(0) if rest else None)
            return [*found, _Flag(name, last)]
        found.append(_Flag(name))
    return found


def _wants(name: str, actions: Actions) -> bool:
    return name in actions and actions[name].nargs is None


def _add(found: list[str], flag: _Flag, actions: Actions) -> None:
    """Put a flag behind those found, as argparse takes it."""
    action, given = actions.get(flag.name), flag.given
    if action is None or given is None:
        found.append(flag.name if given is None else f"{flag.name}={given}")
    elif action.nargs is None or given not in _WORDS:
        found.append(f"{flag.name}={given}")
    elif _WORDS[given]:
        found.append(flag.name)
    else:
        off = f"--no-{flag.name.lstrip('-')}"
        found[:] = [word for word in found if word not in action.option_strings]
        found += [off] if off in actions else []
