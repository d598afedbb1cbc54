"""argv to a command; a LaminaError to lines and an exit code. Only this module exits.

Only the module of the command that was named is imported: a command pays for itself.
argparse and not click: 15 ms against 50 (docs/decisions/0002-lean-start.md).
"""

from __future__ import annotations

import argparse
import gc
import os
import sys

# The module `signal` makes enums of its numbers, in 5 ms.
from _signal import getsignal, signal  # type: ignore[import-not-found]

from lamina import __version__
from lamina.cli.settings import settings_from
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_DEFAULT, _SIGHUP, _SIGTERM = 0, 1, 15

# Each command: the module that adds it, and what `lamina --help` says of it.
COMMANDS = {
    "build": ("lamina.cli.build", "Build an image from a recipe"),
    "check": ("lamina.cli.check", "Show what is wrong with a recipe, or not meant"),
    "graph": ("lamina.cli.graph", "Show the steps that a build consists of"),
    "fmt": ("lamina.cli.fmt", "Give recipes their one layout"),
    "outline": ("lamina.cli.outline", "Show what a recipe offers and asks for"),
    "parse": ("lamina.cli.parse", "Show the tree of a recipe"),
    "render": ("lamina.cli.render", "Show what a recipe's template gives"),
    "bootstrap": ("lamina.cli.bootstrap", "Make a base image from a distribution"),
    "run": ("lamina.cli.run", "Run a command in a new container"),
    "exec": ("lamina.cli.exec", "Run a command in a running container"),
    "ps": ("lamina.cli.containers", "List containers"),
    "logs": ("lamina.cli.containers", "Show what a container wrote"),
    "stop": ("lamina.cli.containers", "Stop containers"),
    "kill": ("lamina.cli.containers", "Send a signal to containers"),
    "wait": ("lamina.cli.containers", "Wait until containers stop"),
    "rm": ("lamina.cli.containers", "Remove containers"),
    "rename": ("lamina.cli.containers", "Give a container another name"),
    "top": ("lamina.cli.containers", "List the processes of a container"),
    "port": ("lamina.cli.containers", "List the published ports of a container"),
    "diff": (
        "lamina.cli.changes",
        "Show what a container changed, or how images differ",
    ),
    "commit": ("lamina.cli.changes", "Make an image of a container's changes"),
    "export": ("lamina.cli.changes", "Write a container's files as a tar"),
    "images": ("lamina.cli.images", "List images"),
    "rmi": ("lamina.cli.images", "Remove images"),
    "tag": ("lamina.cli.images", "Give an image another name"),
    "history": ("lamina.cli.inspection", "Show how an image was made"),
    "layers": ("lamina.cli.layers", "Show what each layer of an image brings"),
    "inspect": ("lamina.cli.inspection", "Show images and containers as JSON"),
    "pull": ("lamina.cli.pull", "Get an image from a registry"),
    "push": ("lamina.cli.push", "Send an image to a registry"),
    "copy": ("lamina.cli.copy_image", "Copy an image between registries and archives"),
    "login": ("lamina.cli.login", "Log in to a registry"),
    "logout": ("lamina.cli.login", "Log out of a registry"),
    "load": ("lamina.cli.archives", "Load images from an archive"),
    "save": ("lamina.cli.archives", "Save images to an archive"),
    "import": ("lamina.cli.archives", "Make an image from a tar of files"),
    "log": ("lamina.cli.log", "Show builds, and what their steps wrote"),
    "shell": ("lamina.cli.shell", "Look around where a step of a build failed"),
    "lsp": ("lamina.cli.lsp", "Serve an editor: errors, completion, hover"),
    "system": ("lamina.cli.system", "Check, measure and prune the store"),
}


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: all that Ctrl-C cleans up is cleaned up for them too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _terminated(number: int, _frame: object) -> None:
    raise Terminated(number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code.

    Without `argv` it is the command of this process, which ends here. Taking Python
    apart object by object, and looking for cycles among what imports make, would
    each be a tenth of `lamina run`.
    """
    if argv is not None:
        return _run(list(argv))
    gc.set_threshold(100_000)
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
    try:
        return _main(arguments)
    except LaminaError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt as end:
        _clear()
        return 128 + end.number if isinstance(end, Terminated) else 130
    except BrokenPipeError:
        # The reader of our output has gone (`lamina images | head -1`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141


def _clear() -> None:
    """Finish what was being cleaned up when the signal came."""
    if "lamina.oci.workspace" in sys.modules:
        from lamina.oci.workspace import clear

        clear()


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


def _command_name(arguments: list[str]) -> str:
    """The first argument that is no option of `lamina` itself."""
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        position += 2 if arguments[position] == "--root" else 1
    return arguments[position] if position < len(arguments) else ""


class Help(argparse.HelpFormatter):
    """As wide as the terminal. argparse asks shutil, once for every option."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns
        except OSError:
            width = 80
        super().__init__(prog, width=min(width, 100) - 2)


class Parser(argparse.ArgumentParser):
    """The parser of `lamina` and, since argparse makes more of its kind, of each
    command."""

    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=Help, **given)

    def parse_known_args(
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Unknown words are an error of the command that got them, with its usage."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            kind = "unknown flag:" if unknown[0].startswith("-") else "one too many:"
            self.error(f"{kind} {unknown[0]}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Usage and the message, as a sentence, with a way on; exit code 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\nTry `{self.prog} --help`.\n")


def _parser(name: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog="lamina",
        description="Build container images from recipes, and run them.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lamina {__version__}")
    parser.add_argument("--root", metavar="DIR", help="where the store lies")
    # With `prog` argparse need not format a usage, for which it imports shutil.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", prog="lamina")
    if name in COMMANDS:
        from importlib import import_module

        import_module(COMMANDS[name][0]).add(commands)
        return parser
    for known, (_, about) in COMMANDS.items():
        commands.add_parser(known, help=about)
    if name:
        _unknown(parser, name)
    return parser


def _unknown(parser: argparse.ArgumentParser, name: str) -> None:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f" Did you mean `lamina {near[0]}`?" if near else ""
    parser.exit(
        2, f"lamina: there is no command {name!r}.{hint}\nTry `lamina --help`.\n"
    )


def print_error(error: LaminaError) -> None:
    """An error as lines on stderr: what, where, the excerpt, how to get on."""
    lines = [f"lamina: {error.message}"]
    if error.place:
        lines.append(f"  at {error.place}")
    if error.excerpt:
        lines.append(error.excerpt)
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    print("\n".join(lines), file=sys.stderr)
