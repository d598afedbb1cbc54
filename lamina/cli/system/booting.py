"""`lamina system start`, `stop`, `unit`: containers across the machine's restarts."""

from __future__ import annotations

import os
import sys

from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lamina.cli.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Register the commands below `system`."""
    start = commands.add_parser(
        "start",
        help="Start what is to run after the machine's start",
        description="Start containers whose restart policy says so: those that ran "
        "when the machine went down, and those of `always`.",
    )
    start.add_argument(
        "--unless-stopped",
        action="store_true",
        help="leave those alone that a user has stopped, of `always` too",
    )
    start.set_defaults(call=_start)
    stop = commands.add_parser(
        "stop",
        help="Stop all containers before the machine goes down",
        description="Stop all containers; `system start` starts them again.",
    )
    stop.set_defaults(call=_stop)
    unit = commands.add_parser(
        "unit",
        help="Print a unit for systemd that does both",
        description="Print a unit for systemd that starts containers with the machine "
        "and stops them with it.",
    )
    unit.add_argument("--user", action="store_true", help="for systemctl --user")
    unit.set_defaults(call=_unit)


def _start(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.cli.containers.start import start_detached
    from lamina.cli.telling import print_error
    from lamina.runtime.containers.booting import due

    with open_store(settings) as store:
        code = 0
        for container in due(store.root, arguments.unless_stopped):
            try:
                start_detached(store, container)
                print(container.name, flush=True)
            except LaminaError as error:
                print(f"lamina: {container.name}:", file=sys.stderr)
                print_error(error)
                code = 1
        return code


def _stop(_: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.runtime.containers.booting import stop_all

    # From outside: who has become root in a namespace cannot signal those of others.
    with open_store(settings, enter=False) as store:
        for container in stop_all(store.root):
            print(container.name)
        return 0


def _unit(arguments: argparse.Namespace, settings: Settings) -> int:
    program = os.path.abspath(sys.argv[0])
    if not os.access(program, os.X_OK):  # python -m lamina
        raise LaminaError(
            f"{program} is no program that systemd could start.",
            hint="Call `lamina` by the path that it is installed at.",
        )
    sys.stdout.write(unit(program, os.path.abspath(settings.root), arguments.user))
    return 0


_NETWORK = "Wants=network-online.target\nAfter=network-online.target\n"


def unit(program: str, root: str, user: bool) -> str:
    """A unit for systemd; for the machine's, or for a user's own (systemd.service(5)).

    The containers' processes are in the unit, so that systemd lets them live when
    whoever started it is gone, and ends what `stop` has left. A reload starts those
    that have lost their keepers.
    """
    command = f"{_word(program)} --root {_word(root)} system"
    network = "" if user else _NETWORK
    target = "default.target" if user else "multi-user.target"
    return f"""\
[Unit]
Description=Lamina's containers
{network}RequiresMountsFor={_path(root)}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={command} start
ExecReload={command} start --unless-stopped
ExecStop={command} stop
Delegate=yes
TimeoutStartSec=infinity
TimeoutStopSec=infinity

[Install]
WantedBy={target}
"""


def _word(text: str) -> str:
    """One word of a command line in a unit: quoted, `%` and `$` twice."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _path(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
