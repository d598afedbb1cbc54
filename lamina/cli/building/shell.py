"""`lamina shell`: into the files of a step, the one that failed before all others."""

from __future__ import annotations

import os
import sys

from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.shell import Place
    from lamina.builder.traces.trace import Trace
    from lamina.cli.progress.console import Console
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store


class ShellUsage(LaminaError):
    """Arguments that do not go together, or no terminal to type into."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `shell`."""
    parser = commands.add_parser(
        "shell",
        help="Look around where a step of a build failed",
        description="Open a shell in the files that the failed step of the last build "
        "left, with its environment, user, folder and mounts. What is changed there "
        "is thrown away. Secrets are kept nowhere: give them again.",
    )
    flag = parser.add_argument
    flag("build", nargs="?", default="", metavar="BUILD", help="as `lamina log` lists")
    flag("--step", default="", metavar="STEP", help="after this step instead")
    flag("--target", default="", metavar="STAGE", help="after a stage's last step")
    flag("-c", dest="script", metavar="COMMAND", help="run this with sh, and no shell")
    flag(
        "--secret",
        action="append",
        default=[],
        metavar="id=NAME[,src=FILE|env=VAR]",
        help="a secret that the step mounts (repeat)",
    )
    flag(
        "--ssh",
        action="append",
        default=[],
        metavar="default|ID[=SOCKET|KEY,...]",
        help="an agent or keys that the step mounts (repeat)",
    )
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Open it; the exit code is the shell's."""
    from lamina.builder.shell import failed_place, last_of_stage, place_after
    from lamina.builder.traces.trace import find_step, read_trace
    from lamina.cli.opened import opened

    if arguments.step and arguments.target:
        raise ShellUsage("--step and --target do not go together.")
    build = "" if arguments.build == "last" else arguments.build
    with opened(settings) as store:
        trace = read_trace(store.root, build)
        if arguments.step:
            place = place_after(trace, find_step(trace, arguments.step))
        elif arguments.target:
            place = place_after(trace, last_of_stage(trace, arguments.target))
        else:
            place = failed_place(trace)
        inputs = _inputs(arguments, settings, trace)
        command = ("/bin/sh", "-c", arguments.script) if arguments.script else ()
        return enter(store, inputs, trace, place, command, settings)


def enter(
    store: Store,
    inputs: BuildInputs,
    trace: Trace,
    place: Place,
    command: tuple[str, ...],
    settings: Settings,
) -> int:
    """Open a shell there, with a terminal where we have one."""
    from lamina.builder.shell import open_shell
    from lamina.runtime.containers.console import Console as Streams

    typed = os.isatty(0) and os.isatty(1) and not command
    if not typed and not command and os.isatty(0):
        raise ShellUsage("A shell needs a terminal for its output.", hint="Or -c.")
    if typed:
        term = settings.environment.get("TERM", "") or "xterm"
        operation = place.operation
        operation = replace(operation, env=(f"TERM={term}", *operation.env))
        place = replace(place, operation=operation)
        print(f"{place.told} (build {trace.id})", file=sys.stderr)
    console = Streams(stdin=0, stdout=1, stderr=2, terminal=0 if typed else -1)
    return open_shell(store, inputs, trace, place, command, console)


def after_failure(
    inputs: BuildInputs,
    settings: Settings,
    error: LaminaError,
    show: Console | None,
) -> None:
    """`--on-error=shell`: tell the error, and go where the build just failed."""
    from lamina.builder.shell import failed_place
    from lamina.builder.traces.trace import read_trace
    from lamina.cli.opened import opened
    from lamina.cli.progress.console import tell_error
    from lamina.cli.telling import print_error

    if not tell_error(show, error):
        if show is not None:
            show.close()
        print_error(error)
    with opened(settings) as store:
        trace = read_trace(store.root, error.build)
        enter(store, inputs, trace, failed_place(trace), (), settings)


def _inputs(
    arguments: argparse.Namespace, settings: Settings, trace: Trace
) -> BuildInputs:
    """What of a build's inputs a step's surroundings are made of."""
    from lamina.builder.inputs.build import BuildInputs
    from lamina.builder.inputs.epoch import Epoch
    from lamina.builder.inputs.recipe import RecipeInputs
    from lamina.cli.building.step_flags import agents, proxies_for, secrets

    environment = settings.environment
    return BuildInputs(
        recipe=RecipeInputs(trace.recipe, b""),
        context=trace.context,
        ignore=trace.ignore.encode(errors="surrogateescape"),
        platform=trace.platform,
        epoch=Epoch(None, "a shell"),
        secrets=secrets(arguments.secret, environment),
        ssh=agents(arguments.ssh, environment),
        proxies=proxies_for(environment, {}),
    )
