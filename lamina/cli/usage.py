"""What a mistyped command line exits with: docker's codes for docker's commands.

docker tells flags from arguments: 125 for a flag that there is not, or whose value
cannot be read, and 1 for too few arguments, too many, or an unknown subcommand.
"""

from __future__ import annotations

import re

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OURS = 2
ARGUMENTS = 1
FLAGS = 125

# Commands that docker does not have, `lamina` itself, and `build`, whose 1 is to say
# that the build has failed and nothing else.
_OWN = frozenset(
    (
        *("", "build", "watch", "check", "graph", "fmt", "outline", "parse", "render"),
        *("layers", "bootstrap", "copy", "log", "shell", "lsp", "completion"),
    )
)
# How argparse and Parser begin what they say of arguments.
_OF_ARGUMENTS = ("the following arguments", "one too many:", "argument COMMAND:")


class FlagUsage(LaminaError):
    """A flag whose value cannot be read, or that does not go with another."""

    exit_code = FLAGS


def usage_code(prog: str, message: str) -> int:
    """For `message`, which a parser said of the command line of `prog`."""
    name = prog.split()[1] if " " in prog else ""
    if name in _OWN:
        return OURS
    return ARGUMENTS if message.startswith(_OF_ARGUMENTS) else FLAGS


def worded(message: str) -> str:
    """What argparse says of a subcommand that there is not, or of a word that a switch
    does not take, as a person would."""
    switch = re.fullmatch(r"argument (.*): ignored explicit argument (.*)", message)
    if switch is not None:
        return f"{switch[1]} takes true or false, not {switch[2]}"
    found = re.fullmatch(
        r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message, re.S
    )
    if found is None:
        return message
    name, known = found.groups()
    return f"there is no command '{name}', only {known.replace(chr(39), '')}"


def unknown_flag(words: Iterable[str], known: Iterable[str]) -> str:
    """The first of the words that is a flag and none of those known; "" for none.

    argparse says first that arguments are missing, docker that a flag is unknown.
    """
    for word in words:
        if word == "--":
            break
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        is_flag = len(name) > 1 and name[0] == "-" and not name[1].isdecimal()
        if is_flag and not any(flag.startswith(name) for flag in known):
            return word
    return ""
