"""argv to a command; a LaminaError to lines and an exit code. Only this module exits.

Only the module of the command that was named is imported: a command pays for itself.
argparse and not click: 15 ms against 50 (docs/decisions/0002-lean-start.md).
"""

from __future__ import annotations

import os
import sys

# The module `signal` makes enums of its numbers, in 5 ms.
from _signal import getsignal, signal  # type: ignore[import-not-found]

from lamina import __version__
from lamina.cli.commands import COMMANDS
from lamina.cli.settings import settings_from
from lamina.cli.spellings import GROUPS, HELP, position_of_command, spelled_out
from lamina.cli.telling import print_error
from lamina.cli.untranslated import argparse
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

_DEFAULT, _SIGHUP, _SIGTERM = 0, 1, 15
# Where the commands are that are about containers which are not run by them.
_ABOUT_CONTAINERS = ("lamina.cli.containers.", "lamina.cli.services.")


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: all that Ctrl-C cleans up is cleaned up for them too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _terminated(number: int, _frame: object) -> None:
    raise Terminated(number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code.

    Without `argv` it is the command of this process, which ends here: taking Python
    apart object by object would be a tenth of `lamina run`.
    """
    if argv is not None:
        return _run(list(argv))
    code = _run(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 141
    os._exit(code)


def _run(arguments: list[str]) -> int:
    signal(_SIGTERM, _terminated)
    # nohup(1) has it ignored, and that is to stay.
    if getsignal(_SIGHUP) == _DEFAULT:
        signal(_SIGHUP, _terminated)
    name = _command_name(arguments)
    if name in GROUPS or name == HELP:
        arguments = spelled_out(name, arguments)
    try:
        return _main(arguments)
    except LaminaError as error:
        return _failed(error, arguments)
    except KeyboardInterrupt as end:
        _clear()
        return 128 + end.number if isinstance(end, Terminated) else 130
    except BrokenPipeError:
        # The reader of our output has gone (`lamina images | head -1`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        from lamina.cli.machine import machine_error

        told = machine_error(error)
        if told is None:
            raise
        return _failed(told, arguments)


def _failed(error: LaminaError, arguments: list[str]) -> int:
    """Tell of an error; the exit code for it.

    1 may be the container's own, so `run` says 125; where no command of a container's
    is run, nothing can be mistaken, and 1 is what docker says, but of flags.
    """
    from lamina.cli.usage import FlagUsage

    print_error(error)
    name, code = _command_name(arguments), error.exit_code
    if isinstance(error, FlagUsage):
        return code
    if name == "run":
        return 125 if code == 1 else code
    about = COMMANDS.get(name, ("",))[0].startswith(_ABOUT_CONTAINERS)
    return 1 if about and name != "exec" and code == 125 else code


def _clear() -> None:
    """Finish what was being cleaned up, or had just been made, when the signal came."""
    if "lamina.oci.files.workspace" in sys.modules:
        from lamina.oci.files import workspace

        workspace.clear()
    if "lamina.runtime.cgroups.owned" in sys.modules:
        from lamina.runtime.cgroups import owned

        owned.clear()


def _main(arguments: list[str]) -> int:
    name = _command_name(arguments)
    parser = _parser(name)
    parsed = parser.parse_args(arguments)
    if getattr(parsed, "call", None) is None:
        parser.print_help()
        return 0 if not arguments else 2
    settings = settings_from(dict(os.environ), parsed.root)
    code: int = parsed.call(parsed, settings)
    return code


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The words of a command, as this command itself would read them: for one command
    that is carried out by another."""
    return _parser(_command_name(arguments)).parse_args(arguments)


def _command_name(arguments: list[str]) -> str:
    """The first argument that is no option of `lamina` itself."""
    return next(iter(arguments[position_of_command(arguments) :]), "")


class Help(argparse.HelpFormatter):
    """As wide as the terminal. argparse asks shutil, once for every option."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns
        except OSError:
            width = 80
        super().__init__(prog, width=min(width, 100) - 2)

    def _format_usage(
        self, usage: Any, actions: Any, groups: Any, prefix: str | None
    ) -> str:
        """All flags in one word, as docker has it: what they are follows in lines."""
        flags = [one for one in actions if one.option_strings and one.dest != "help"]
        if usage is None and flags:
            actions = [one for one in actions if not one.option_strings]
            self._prog += " [OPTIONS]"
        return super()._format_usage(usage, actions, groups, prefix)

    def _format_action(self, action: argparse.Action) -> str:
        """Commands of a group below its title, without a line that says `COMMAND`."""
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        # argparse forgets that they are indented, and breaks the longest one's line.
        self._action_max_length += 2
        lines = super()._format_action(action).splitlines(keepends=True)
        return "".join(line[2:] for line in lines[1:])


def _arguments_at(
    words: Sequence[str], actions: Mapping[str, argparse.Action]
) -> int | None:
    """Where the flags end, if all are as argparse and docker both read them; else None,
    and lamina.cli.pflag has to look, which most commands need not import."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        name, _, given = words[at].partition("=")
        action = actions.get(words[at])
        if action is None and (not given or name not in actions):
            return None
        if action is None and actions[name].nargs == 0:
            return None
        if action is not None and action.nargs is None:
            at += 1
            if at == len(words) or words[at].startswith("-"):
                return None
        at += 1
    return at


class Parser(argparse.ArgumentParser):
    """The parser of `lamina` and, since argparse makes more of its kind, of each
    command."""

    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=Help, **given)
        self._words: list[str] = []

    def parse_known_args(
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Unknown words are an error of the command that got them, with its usage."""
        places = [action for action in self._actions if not action.option_strings]
        kind = places[-1].nargs if places else None
        self._words, rest = self._flags_first(args, kind)
        command: list[str] = []
        if kind == argparse.REMAINDER:
            # Whatever they are, argparse must not see the words of another program.
            rest = rest[1:] if rest[:1] == ["--"] else rest
            rest, command = rest[: len(places) - 1], rest[len(places) - 1 :]
            rest = ["--", *rest] if rest else rest
        parsed, unknown = super().parse_known_args([*self._words, *rest], namespace)
        if command:
            setattr(parsed, places[-1].dest, command)
        if unknown:
            said = "unknown flag:" if unknown[0].startswith("-") else "one too many:"
            self.error(f"{said} {unknown[0]}")
        return parsed, unknown

    def _flags_first(
        self, words: Sequence[str], kind: int | str | None
    ) -> tuple[list[str], list[str]]:
        """The flags of a command line as argparse takes them, and the arguments, behind
        which there may be flags if the last one is of another `kind` than a command."""
        actions = self._option_string_actions
        interspersed = kind not in (argparse.REMAINDER, argparse.PARSER)
        at = _arguments_at(words, actions)
        if at is not None and not (
            interspersed and any(word.startswith("-") for word in words[at:])
        ):
            return list(words[:at]), list(words[at:])
        from lamina.cli.pflag import flags_first

        return flags_first(words, actions, interspersed=interspersed)

    def _get_values(self, action: argparse.Action, words: list[str]) -> Any:
        """argparse before 3.13 takes the value of `--x=--` for the end of flags."""
        if action.option_strings and action.nargs is None:
            given = self._get_value(action, words[0])
            self._check_value(action, given)
            return given
        return super()._get_values(action, words)

    def error(self, message: str) -> NoReturn:
        """Usage and the message, as a sentence, with a way on; exits."""
        from lamina.cli.usage import unknown_flag, usage_code, worded

        if message.startswith("the following arguments"):
            flag = unknown_flag(self._words, self._option_string_actions)
            message = f"unknown flag: {flag}" if flag else message
        code = usage_code(self.prog, message)
        self.print_usage(sys.stderr)
        self.exit(code, f"{self.prog}: {worded(message)}\nTry `{self.prog} --help`.\n")


class Overview(Parser):
    """The parser of `lamina` alone, whose help lists the commands by topic."""

    def format_help(self) -> str:
        from lamina.cli.commands import listing

        return super().format_help() + listing()


def _parser(name: str) -> argparse.ArgumentParser:
    # What the scripts of `completion` ask is no command for people.
    module = "completion" if name == "__complete" else name
    known = module in COMMANDS
    parser = (Parser if known else Overview)(
        prog="lamina",
        usage=None if known else "lamina [OPTIONS] COMMAND [ARG...]",
        description="Build container images from recipes, and run them.",
        allow_abbrev=False,
    )
    said = f"lamina {__version__}"
    parser.add_argument("-v", "--version", action="version", version=said)
    parser.add_argument("--root", metavar="DIR", help="where the store lies")
    if known:
        from importlib import import_module

        # With `prog` argparse need not format a usage, for which it imports shutil.
        commands = parser.add_subparsers(metavar="COMMAND", prog="lamina")
        import_module(COMMANDS[module][0]).add(commands)
    elif name:
        _unknown(parser, name)
    return parser


def _unknown(parser: argparse.ArgumentParser, name: str) -> None:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f" Did you mean `lamina {near[0]}`?" if near else ""
    parser.exit(
        2, f"lamina: there is no command {name!r}.{hint}\nTry `lamina --help`.\n"
    )
