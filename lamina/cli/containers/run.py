"""`lamina run`: flags to Options and Overrides, a container's exit code to ours."""

from __future__ import annotations

import argparse
import contextlib

from lamina.cli.formats.amounts import RunUsage
from lamina.cli.telling import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.runtime.containers.connecting import Connecting
    from lamina.runtime.containers.console import Console
    from lamina.runtime.containers.starting import Start
    from lamina.runtime.containers.state import Container
    from lamina.runtime.isolation.zygote import Zygote

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register `run`."""
    from lamina.cli.containers.consoles import add_detach_keys, add_sig_proxy
    from lamina.cli.containers.run_flags import add_container_flags

    parser = commands.add_parser(
        "run",
        help="Run a command in a new container",
        description="Make a container from an image and run a command in it.",
        usage="lamina run [OPTIONS] IMAGE [COMMAND [ARG...]]",
        allow_abbrev=False,
        add_help=False,  # -h is the host name, as with docker
    )
    about = "leave it running and print its ID"
    parser.add_argument("-d", "--detach", action="store_true", help=about)
    add_sig_proxy(parser)
    add_detach_keys(parser)
    add_container_flags(parser)
    parser.set_defaults(call=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run; the container's own exit code, or 0 and its ID with `-d`."""
    from lamina.cli.containers.network_flags import network_mode
    from lamina.cli.opened import become_root
    from lamina.runtime.containers.keepers import start_keeper
    from lamina.runtime.isolation.userns import require_namespaces

    console = None if arguments.detach else _console(arguments)
    become_root(settings.root)
    require_namespaces()
    # It boots while the rest is imported.
    zygote = start_keeper(
        settings.root, network_mode(arguments), arguments.pid, arguments.runtime
    )
    with contextlib.ExitStack() as end:
        made = None
        try:
            made = _prepared(arguments, settings, zygote, end)
            start, container, connecting = made
            connection = connecting if connecting.complete else None
            attached = start.run(console, connection, detached=console is None)
        except BaseException:
            zygote.close()
            if console is None and made is not None:
                # Docker's too names what it has made and could not start.
                print(made[1].id)
            raise
        if start.warning:
            warn(start.warning)
        if console is None:
            print(container.id)
            return 0
        from lamina.runtime.containers.watching import watch

        try:
            code = watch(start.store, container, attached, console)
        except BaseException:
            if console.proxied:
                zygote.close()
            raise
        return 0 if code is None else code


def _console(arguments: argparse.Namespace) -> Console:
    """What of ours the container is shown on; `-a` narrows it."""
    from lamina.cli.containers.consoles import (
        STREAMS,
        check_terminal,
        console_of,
        detach_keys,
    )
    from lamina.values import replace

    shown = tuple(name.lower() for name in arguments.attach) or STREAMS
    if set(shown) - set(STREAMS):
        raise RunUsage("`--attach` takes stdin, stdout or stderr.")
    check_terminal(arguments.tty and arguments.interactive)
    console = console_of(arguments.tty, arguments.interactive, shown)
    keys = detach_keys(arguments)
    return replace(console, detach_keys=keys, proxied=arguments.sig_proxy)


def _prepared(
    arguments: argparse.Namespace,
    settings: Settings,
    zygote: Zygote,
    end: contextlib.ExitStack,
) -> tuple[Start, Container, Connecting]:
    """The container on disk, and its network, which a thread makes meanwhile; `end`
    closes the store."""
    from lamina.cli.containers.request import options_of
    from lamina.runtime.containers.connecting import Connecting
    from lamina.runtime.containers.names import new_id
    from lamina.runtime.owner import Owner

    options = options_of(arguments)
    identity = new_id()
    connecting = Connecting(identity, options, lambda: Owner.of(identity, zygote.pid))
    try:
        from lamina.cli.containers.create import created
        from lamina.oci.store.store import Store
        from lamina.runtime.containers.plan import check
        from lamina.runtime.containers.starting import Start

        check(options)
        store = Store.open(settings.root)
        end.callback(store.close)
        container = created(arguments, settings, store, options, identity)
        return Start(store, zygote, container), container, connecting
    except BaseException:
        connecting.cancel()
        raise
