"""`lamina start`, `restart`, `attach`: containers that are there already."""

from __future__ import annotations

import argparse
import os
import sys

from lamina.cli.containers.consoles import (
    add_detach_keys,
    add_sig_proxy,
    check_terminal,
    console_of,
    detach_keys,
)
from lamina.cli.containers.finding import do_each, find, open_store
from lamina.cli.containers.lifecycle import add_stop_flags
from lamina.cli.telling import print_error, warn
from lamina.errors import LaminaError
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.attached import Attached
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.state import Container

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register the commands."""
    start = commands.add_parser(
        "start",
        help="Start containers that do not run",
        description="Start containers that were created, or have ended.",
    )
    flag = start.add_argument
    flag("-a", "--attach", action="store_true", help="show what it writes")
    flag("-i", "--interactive", action="store_true", help="pass standard input on")
    add_detach_keys(start)
    flag("containers", metavar="CONTAINER", nargs="+")
    start.set_defaults(call=_start, sig_proxy=True)

    restart = commands.add_parser(
        "restart", help="Restart containers", description="Stop containers, start them."
    )
    add_stop_flags(restart)
    restart.add_argument("containers", metavar="CONTAINER", nargs="+")
    restart.set_defaults(call=_restart)

    attach = commands.add_parser(
        "attach",
        help="Watch a running container, and type into it",
        description="Watch a running container, and type into it. It lives on when "
        "this command ends.",
    )
    flag = attach.add_argument
    flag("--no-stdin", action="store_true", help="pass nothing on")
    add_sig_proxy(attach)
    add_detach_keys(attach)
    flag("container", metavar="CONTAINER")
    attach.set_defaults(call=_attach)


# start


def _start(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.attach or arguments.interactive:
        return _start_attached(arguments, settings)
    with open_store(settings) as store:
        return do_each(store, arguments.containers, _start_one, arguments)


def _start_one(store: Store, identity: str, _: argparse.Namespace) -> str:
    from lamina.runtime.containers import state

    container = find(store, identity)
    if state.see(store.root, identity).status == state.PAUSED:
        raise LaminaError(
            f"Container {container.name} is paused.", hint="`lamina unpause` it."
        )
    start_detached(store, container)
    return ""


def start_detached(store: Store, container: Container) -> None:
    """Start a container that lives on by itself; nothing happens when it runs."""
    from lamina.runtime.containers.starting import AlreadyStarted

    try:
        started(store, container, None).close()
    except AlreadyStarted:
        return


def started(store: Store, container: Container, console: Console | None) -> Attached:
    """A container that was started, and lives on when this process ends.

    Raises ContainerError, AlreadyStarted when it runs.
    """
    from lamina.runtime.containers import launching

    attached, warning = launching.started(store, container, console)
    if warning:
        warn(warning)
    return attached


def _start_attached(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.containers.attaching import attach
    from lamina.runtime.containers.starting import AlreadyStarted
    from lamina.runtime.containers.watching import watch

    if len(arguments.containers) > 1:
        raise LaminaError("You cannot start and attach multiple containers at once.")
    with open_store(settings) as store:
        container = find(store, arguments.containers[0])
        console = _console(arguments, container, arguments.interactive)
        try:
            attached = started(store, container, console)
        except AlreadyStarted:
            attached = attach(store.root, container, console)
        code = watch(store, container, attached, console)
        return 0 if code is None else code


# restart


def _restart(arguments: argparse.Namespace, settings: Settings) -> int:
    """Each in turn; for an ordinary user all stop first, since who has become root in
    a namespace cannot signal the containers of others."""
    from lamina.cli.opened import become_root

    with open_store(settings, enter=False) as store:
        if os.geteuid() == 0:
            return do_each(store, arguments.containers, _restart_one, arguments)
        stopped = []
        for name in arguments.containers:
            try:
                _stop(store, find(store, name), arguments)
                stopped.append(name)
            except LaminaError as error:
                print_error(error)
        become_root(settings.root)
        code = do_each(store, stopped, _start_again, arguments)
        return code or int(len(stopped) < len(arguments.containers))


def _restart_one(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    _stop(store, find(store, identity), arguments)
    return _start_again(store, identity, arguments)


def _stop(store: Store, container: Container, arguments: argparse.Namespace) -> None:
    from lamina.runtime.containers import stop

    patience, signal = arguments.timeout, arguments.signal
    stop.stop(store.root, container, patience, signal, remove=False)


def _start_again(store: Store, identity: str, _: argparse.Namespace) -> str:
    from lamina.runtime.containers import events

    container = find(store, identity)
    start_detached(store, container)
    events.tell(store.root, container, "restart")
    return ""


# attach


def _attach(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.containers.attaching import attach, check_running
    from lamina.runtime.containers.watching import watch

    with open_store(settings, enter=False) as store:
        container = find(store, arguments.container)
        check_running(store.root, container)
        interactive = not arguments.no_stdin
        check_terminal(
            interactive and container.options.interactive and container.options.terminal
        )
        console = _console(arguments, container, interactive)
        attached = attach(store.root, container, console)
        code = watch(store, container, attached, console)
        if code is None:
            print("read escape sequence", file=sys.stderr)
        return 1 if code is None else code


def _console(
    arguments: argparse.Namespace, container: Container, interactive: bool
) -> Console:
    """What of ours a container that was made before is shown on; `start`, as docker's,
    types what it reads into a terminal as well."""
    options = container.options
    console = console_of(options.terminal, interactive and options.interactive)
    keys = detach_keys(arguments)
    return replace(console, detach_keys=keys, proxied=arguments.sig_proxy)
