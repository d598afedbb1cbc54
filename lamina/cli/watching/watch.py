"""`lamina watch`: build, run, and do it again with each save."""

from __future__ import annotations

import os
import sys

from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Protocol

    from lamina.builder.events import Event as BuildEvent
    from lamina.builder.inputs.build import BuildInputs
    from lamina.cli.settings import Settings
    from lamina.cli.watching.console import Pressed
    from lamina.cli.watching.events import Event
    from lamina.cli.watching.syncing import Syncing
    from lamina.runtime.containers.console import Console
    from lamina.runtime.swap.service import Service

    class View(Protocol):
        """Shows events; `close` leaves the terminal as it was."""

        def __call__(self, event: Event | BuildEvent) -> None: ...

        def close(self) -> None: ...


class WatchUsage(LaminaError):
    """What cannot be watched, or flags that do not go together."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `watch`."""
    import argparse

    from lamina.cli.progress.console import PROGRESS
    from lamina.cli.watching.flags import add_flags

    parser = commands.add_parser(
        "watch",
        help="Build, run, and do it again with each save",
        description="Build an image and, whenever a file that it is made of is saved, "
        "build it again.",
        usage="lamina watch [OPTIONS] CONTEXT [COMMAND [ARG...]]",
        allow_abbrev=False,
        add_help=False,  # -h is the host name, as with run
    )
    parser.add_argument("--help", action="help", help="show this and exit")
    flag = parser.add_argument
    flag("--no-run", action="store_true", help="build only")
    flag("--swap", choices=("start-first", "stop-first"), default="", help=_SWAP)
    flag("--wait-timeout", type=float, default=30.0, metavar="SECONDS", help=_WAIT)
    flag("--overlay-page", action="store_true", help=_PAGE)
    flag("--no-init", action="store_true", help="let the program be process 1")
    flag("--sync", action="append", default=[], metavar="SRC:DEST", help=_SYNC)
    flag("--then", default="", metavar="restart|COMMAND", help=_THEN)
    flag("--exec", default="", metavar="COMMAND", help="run this in each new image")
    flag("--once", action="store_true", help="end after the first round")
    flag("--progress", choices=PROGRESS, default="auto", help="how it is told")
    add_flags(parser)
    flag("context", metavar="CONTEXT", help="the folder of the build context")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False
    parser.set_defaults(call=run)


_SWAP = "the new container beside the old one, or after it (default: as volumes allow)"
_PAGE = "show errors to browsers on the published port, too"
_SYNC = "write what is saved below SRC into the container, in its place (repeat)"
_THEN = "and then restart it, or run a command in it"
_WAIT = "how long a new container may take to be ready (default: 30)"


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Watch until Ctrl-C; with `--once` the exit code is 1 when the round failed."""
    from lamina.cli.opened import opened
    from lamina.cli.watching.flags import for_build
    from lamina.cli.watching.session import Session
    from lamina.cli.watching.wanted import Wanted

    _check(arguments)
    wanted = Wanted(
        _inputs_of(for_build(arguments), settings),
        os.path.realpath(arguments.context),
        None if arguments.no_run else _service_of(arguments, settings),
        arguments.exec,
        _console_of(arguments),
        _syncing_of(arguments),
        (*arguments.run_env_file, *arguments.run_label_file),
        tags=tuple(arguments.tag),
        once=arguments.once,
        overlay=arguments.overlay_page,
    )
    with opened(settings) as store:
        # The screen has a thread, and before those an ordinary user becomes root.
        view = _view(arguments, settings)
        try:
            keyed = replace(wanted, pressed=_pressed(view, settings))
            ended = Session(store, keyed, view).run()
        finally:
            view.close()
    if ended.outcome in ("failed", "passed", "cancelled") or wanted.console:
        return ended.code
    print(ended.image)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    typed = arguments.run_interactive or arguments.run_tty
    if arguments.run_tty and not arguments.run_interactive:
        raise WatchUsage(
            "A terminal that nobody types into is of no use here.",
            hint="`-it` gives the program yours; the image's name is `--tag NAME`.",
        )
    if arguments.file == "-" or not os.path.isdir(arguments.context):
        raise WatchUsage(
            "Only a folder, with a recipe in a file, can be watched.",
            hint="`lamina watch .`",
        )
    for name, other, wrong in (
        ("--no-run", "a command", arguments.no_run and arguments.command),
        ("--no-run", "--exec", arguments.no_run and arguments.exec),
        ("--exec", "a command", arguments.exec and arguments.command),
        ("--exec", "-p", arguments.exec and arguments.run_publish),
        ("--exec", "-i or -t", arguments.exec and typed),
        ("--sync", "--no-run", arguments.sync and arguments.no_run),
        ("--sync", "--exec", arguments.sync and arguments.exec),
        ("--sync", "-i or -t", arguments.sync and typed),
    ):
        if wrong:
            raise WatchUsage(f"{name} and {other} do not go together.")


def _inputs_of(
    arguments: argparse.Namespace, settings: Settings
) -> Callable[[], BuildInputs]:
    """Reads what a build depends on. Times are kept as they are unless a flag or the
    environment says otherwise: git is not asked with each save."""
    from lamina.builder.inputs.epoch import find_epoch
    from lamina.cli.building.build import build_inputs, registries

    environment = settings.environment
    asked = registries(settings)
    epoch = find_epoch(
        arguments.source_date_epoch, environment.get("SOURCE_DATE_EPOCH"), ""
    )

    def read() -> BuildInputs:
        inputs = build_inputs(arguments, settings, epoch=epoch)
        if arguments.pull == "never":
            return inputs
        return replace(inputs, registries=asked)

    return read


def _syncing_of(arguments: argparse.Namespace) -> Syncing:
    from lamina.cli.watching.syncing import Syncing
    from lamina.runtime.swap.sync import parse_rule

    rules = tuple(parse_rule(text, os.getcwd()) for text in arguments.sync)
    if arguments.then and not rules:
        raise WatchUsage("`--then` is for `--sync`.")
    return Syncing(rules, arguments.then)


def _console_of(arguments: argparse.Namespace) -> Console | None:
    """Our terminal, for a program that is typed into."""
    if not (arguments.run_interactive or arguments.run_tty):
        return None
    from lamina.cli.containers.consoles import check_terminal, console_of

    check_terminal(arguments.run_tty and arguments.run_interactive)
    return console_of(arguments.run_tty, arguments.run_interactive)


def _service_of(
    arguments: argparse.Namespace, settings: Settings
) -> Callable[[], Service]:
    """Reads what is to be run: files of variables and labels with each round."""
    from lamina.cli.containers.request import options_from, overrides_from
    from lamina.cli.watching.flags import for_run
    from lamina.runtime.swap.service import Service

    given = for_run(arguments)
    options = replace(
        options_from(given),
        remove=True,
        # What is no process 1 ends with SIGTERM.
        init=given.init or not arguments.no_init,
    )
    image_name = arguments.tag[0] if arguments.tag else "watch"

    def read() -> Service:
        return Service(
            options,
            overrides_from(given, settings.environment),
            image_name,
            given.name,
            arguments.swap,
            arguments.wait_timeout,
        )

    return read


def _pressed(view: View, settings: Settings) -> Pressed | None:
    """Who carries out keys, where there is a screen to see what they do."""
    from lamina.cli.watching.screen import ScreenView

    if not isinstance(view, ScreenView):
        return None
    from lamina.cli.watching.console import Pressed

    return Pressed(settings.root, view, settings.environment)


def _view(arguments: argparse.Namespace, settings: Settings) -> View:
    from lamina.cli.watching.plain import PlainView

    progress, environment = arguments.progress, settings.environment
    dumb = environment.get("TERM", "") in ("", "dumb")
    typed = arguments.run_interactive or arguments.run_tty
    seen = all(os.isatty(fd) for fd in (0, 1, 2)) and not (dumb or typed)
    if progress == "tty" or (progress == "auto" and seen and not arguments.once):
        from lamina.cli.watching.screen import ScreenView

        colour = not (dumb or environment.get("NO_COLOR"))
        return ScreenView(sys.stderr, colour=colour)
    if progress == "json":
        from lamina.cli.progress.json_lines import JsonLines
        from lamina.cli.watching.json_view import JsonView

        return JsonView(JsonLines(sys.stderr))
    # Between the lines of a program that is typed into, only what is wrong.
    return PlainView(sys.stderr, quiet=progress == "quiet" or typed)
