"""`lamina stop`, `kill`, `pause`, `unpause`, `wait`, `rename`, `rm`: the life of
containers that are there."""

from __future__ import annotations

import argparse

from lamina.cli.containers.finding import add_each, find, open_store
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register the commands."""
    add_stop_flags(add_each(commands, "stop", "Stop containers", _stop))
    kill = add_each(commands, "kill", "Send a signal to containers", _kill)
    kill.add_argument("-s", "--signal", default="KILL", help="which (default: KILL)")
    add_each(commands, "pause", "Let containers stand still", _pause)
    add_each(commands, "unpause", "Let paused containers go on", _unpause)
    add_each(commands, "wait", "Wait until containers stop, print exit codes", _wait)
    remove = add_each(commands, "rm", "Remove containers", _remove)
    remove.add_argument("-f", "--force", action="store_true", help="kill those running")
    remove.add_argument(
        "-v", "--volumes", action="store_true", help="and their unnamed volumes"
    )
    rename = commands.add_parser("rename", help="Give a container another name")
    rename.add_argument("container", metavar="CONTAINER")
    rename.add_argument("name", metavar="NEW_NAME")
    rename.set_defaults(call=_rename)


def add_stop_flags(parser: argparse.ArgumentParser) -> None:
    """How to stop: of `stop` and of `restart`."""
    flag = parser.add_argument
    flag("-t", "--timeout", "--time", type=int, metavar="SECONDS", help=_PATIENCE)
    flag("-s", "--signal", default="", help="what to send first")


_PATIENCE = "how long to wait before it is killed, -1 for ever (default: 10)"


def _stop(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.runtime.containers import stop

    container = find(store, identity)
    stop.stop(store.root, container, arguments.timeout, arguments.signal)
    return ""


def _kill(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.runtime.containers import stop

    number = stop.parse_signal(arguments.signal or "KILL")
    stop.kill(store.root, find(store, identity), number)
    return ""


def _pause(store: Store, identity: str, _: argparse.Namespace) -> str:
    freeze(store, identity, True)
    return ""


def _unpause(store: Store, identity: str, _: argparse.Namespace) -> str:
    freeze(store, identity, False)
    return ""


def freeze(store: Store, identity: str, paused: bool) -> None:
    from lamina.runtime.containers import control, state, stop

    container = find(store, identity)
    found = state.see(store.root, identity)
    if found.status not in (state.RUNNING, state.PAUSED):
        raise stop.not_running(container)
    if found.status == (state.PAUSED if paused else state.RUNNING):
        already = "is already paused" if paused else "is not paused"
        raise LaminaError(f"Container {container.name} {already}.")
    if paused:
        from lamina.runtime.containers.updating import cgroup_of

        cgroup_of(store.root, container, found)
    if not control.ask(store.root, identity, {"op": "pause", "paused": paused}):
        raise control.died()


def _wait(store: Store, identity: str, _: argparse.Namespace) -> str:
    from lamina.runtime.containers import stop

    ended = stop.wait(store.root, identity)
    assert ended is not None
    return str(ended.exit_code)


def _remove(store: Store, identity: str, arguments: argparse.Namespace) -> str:
    from lamina.cli.opened import become_root
    from lamina.runtime.containers import state, stop
    from lamina.runtime.containers.container import remove, remove_files

    try:
        container = find(store, identity)
        found = state.see(store.root, identity)
    except state.DamagedRecord:
        if not arguments.force:
            raise
        become_root(store.root)
        remove_files(store, identity, "", arguments.volumes)
        return ""
    if found.is_active:
        if not arguments.force:
            raise _in_use(container, found.status)
        stop.finish(store.root, container)
    become_root(store.root)
    remove(store, container, volumes=arguments.volumes or container.options.remove)
    return ""


def _in_use(container: Container, status: str) -> LaminaError:
    return LaminaError(
        f"You cannot remove a {status} container {container.id}.",
        hint="Stop it first, or `lamina rm -f`.",
    )


def _rename(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.runtime.containers.container import rename

    with open_store(settings) as store:
        rename(store.root, find(store, arguments.container), arguments.name)
        return 0
