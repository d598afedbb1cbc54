"""`lamina exec`: one more command in a container that runs."""

from __future__ import annotations

import argparse
import os

from lamina.cli.request import (
    RunParser,
    check_terminal,
    console_from,
    env_from,
    working_dir,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `exec`."""
    parser = commands.add_parser(
        "exec",
        help="Run a command in a running container",
        description="Run one more command in a container that runs.",
        usage="lamina exec [OPTIONS] CONTAINER COMMAND [ARG...]",
        allow_abbrev=False,
    )
    parser.__class__ = RunParser
    flag = parser.add_argument
    flag("-i", "--interactive", action="store_true", help="pass standard input on")
    flag("-t", "--tty", action="store_true", help="give the command a terminal")
    flag("-d", "--detach", action="store_true", help="leave it running")
    flag("--privileged", action="store_true", help="give it all capabilities")
    flag("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]")
    flag("--env-file", action="append", default=[], metavar="FILE")
    flag("-w", "--workdir", default="", metavar="DIR", help="the working directory")
    flag("-u", "--user", default="", metavar="USER[:GROUP]", help="who runs it")
    flag("container", metavar="CONTAINER")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False
    parser.set_defaults(call=execute)


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; its exit code is ours."""
    from lamina.cli.request import RunUsage
    from lamina.runtime.zygote import Options, Zygote

    if not arguments.command:
        raise RunUsage(
            "`lamina exec` needs a command.", hint="lamina exec CONTAINER COMMAND"
        )
    check_terminal(arguments)
    if os.geteuid() != 0:
        from lamina.runtime.exec import join_session

        join_session(settings.root, arguments.container)
    with Zygote.start(Options(exec_only=True, warm=False)) as zygote:
        from lamina.oci.store import Store
        from lamina.runtime import exec as execution
        from lamina.runtime import state

        store = Store.open(settings.root)
        container = state.load_container(
            store.root, state.find(store.root, arguments.container)
        )
        asked = execution.Execution(
            args=tuple(arguments.command),
            env=env_from(arguments, settings.environment),
            user=arguments.user,
            working_dir=working_dir(arguments.workdir),
            terminal=arguments.tty,
            interactive=arguments.interactive,
            privileged=arguments.privileged,
            detached=arguments.detach,
        )
        console = console_from(arguments, ())
        return execution.execute(store, zygote, container, asked, console)
