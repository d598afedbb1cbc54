"""`lamina completion SHELL`, and the hidden `__complete` that its script asks."""

from __future__ import annotations

import argparse
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_DESCRIPTION = """\
Print a script that completes commands, flags and names in your shell.

  bash   source <(lamina completion bash)        in ~/.bashrc
  zsh    source <(lamina completion zsh)         in ~/.zshrc, after compinit
  fish   lamina completion fish | source         in ~/.config/fish/config.fish
"""


def add(commands: Commands) -> None:
    """Register `completion` and `__complete`."""
    from lamina.cli.completion.scripts import SCRIPTS

    parser = commands.add_parser(
        "completion",
        help="Print a shell's script for completion",
        description=_DESCRIPTION,
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=tuple(SCRIPTS), metavar="bash|zsh|fish")
    parser.set_defaults(call=_print_script)
    ask = commands.add_parser("__complete", add_help=False)
    ask.add_argument("words", nargs=argparse.REMAINDER)
    ask.set_defaults(call=_complete)


def _print_script(arguments: argparse.Namespace, _: Settings) -> int:
    from lamina.cli.completion.scripts import SCRIPTS

    print(SCRIPTS[arguments.shell], end="")
    return 0


def _complete(arguments: argparse.Namespace, settings: Settings) -> int:
    """A line for each word that fits, and last what else the shell may offer.

    A completion never complains: what is wrong is said when the line is entered.
    """
    from lamina.cli.completion.candidates import complete
    from lamina.errors import LaminaError

    words = arguments.words
    if words[:1] == ["--"]:
        words = words[1:]
    try:
        found = complete(words or [""], settings)
    except (LaminaError, OSError):
        return 1
    lines = [f"{word}\t{about}" if about else word for word, about in found.words]
    sys.stdout.write("".join(f"{line}\n" for line in (*lines, found.more)))
    return 0
