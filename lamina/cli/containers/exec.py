"""`lamina exec`: one more command in a container that runs."""

from __future__ import annotations

import argparse
import sys

from lamina.cli.containers.consoles import (
    add_detach_keys,
    check_terminal,
    console_of,
    detach_keys,
)
from lamina.cli.containers.request import env_from, working_dir
from lamina.cli.formats.amounts import RunUsage
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


_OURS = 125


def add(commands: Commands) -> None:
    """Register `exec`."""
    parser = commands.add_parser(
        "exec",
        help="Run a command in a running container",
        description="Run one more command in a container that runs.",
        usage="lamina exec [OPTIONS] CONTAINER COMMAND [ARG...]",
        allow_abbrev=False,
    )
    flag = parser.add_argument
    flag("-i", "--interactive", action="store_true", help="pass standard input on")
    flag("-t", "--tty", action="store_true", help="give the command a terminal")
    flag("-d", "--detach", action="store_true", help="leave it running")
    add_detach_keys(parser)
    flag("--privileged", action="store_true", help="give it all capabilities")
    about = "set a variable, or pass the caller's on (repeat)"
    flag("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help=about)
    about = "set the variables that FILE has, one a line"
    flag("--env-file", action="append", default=[], metavar="FILE", help=about)
    flag("-w", "--workdir", default="", metavar="DIR", help="the working directory")
    flag("-u", "--user", default="", metavar="USER[:GROUP]", help="who runs it")
    flag("container", metavar="CONTAINER")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False
    parser.set_defaults(call=execute)


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; its exit code is ours."""
    from lamina.runtime.containers import exec as execution
    from lamina.runtime.containers import state
    from lamina.runtime.errors import ContainerError, NotExecutable

    if not arguments.command:
        raise LaminaError(
            "`lamina exec` needs a command.", hint="lamina exec CONTAINER COMMAND"
        )
    typed = arguments.tty and arguments.interactive and not arguments.detach
    check_terminal(typed)
    root = settings.root
    container = state.load_container(root, state.find(root, arguments.container))
    asked = execution.Execution(
        args=tuple(arguments.command),
        env=env_from(arguments, settings.environment),
        user=arguments.user,
        working_dir=_working_dir(arguments.workdir),
        terminal=arguments.tty,
        interactive=arguments.interactive,
        privileged=arguments.privileged,
        detached=arguments.detach,
    )
    console = console_of(arguments.tty, arguments.interactive)
    console = replace(console, detach_keys=detach_keys(arguments))
    try:
        code = execution.execute(root, container, asked, console)
    except ContainerError as error:
        # What docker exits with for any command that could not be begun.
        if error.exit_code != _OURS:
            raise
        raise NotExecutable(error.message, hint=error.hint) from error
    if code is None:
        print("read escape sequence", file=sys.stderr)
    return 1 if code is None else code


def _working_dir(text: str) -> str:
    """What `-w` names; as docker has it, a relative path is found at the start only."""
    from lamina.runtime.errors import NotExecutable

    try:
        return working_dir(text)
    except RunUsage as error:
        raise NotExecutable(error.message, hint=error.hint) from error
