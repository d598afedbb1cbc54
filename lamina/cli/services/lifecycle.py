"""`lamina compose start`, `stop`, `restart`, `kill`, `rm`, `pause`, `unpause`, `wait`:
containers of a project that are there."""

from __future__ import annotations

import argparse
import threading
from functools import partial

from lamina.cli.services.choosing import chosen
from lamina.cli.services.flags import ServicesUsage
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.cli.services.choosing import Chosen
    from lamina.cli.services.view import View
    from lamina.cli.settings import Settings
    from lamina.services.observed import Observed

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Act = Callable[[argparse.Namespace, Chosen, View], int]

_PATIENCE = "how long to wait before it is killed (default: what each service says)"


_ALONE = "leave those that are restarted with them (depends_on: restart)"


def add_lifecycle(inner: Commands) -> None:
    """Register them."""
    start = _add(inner, "start", "Start containers that do not run", _start)
    start.add_argument(
        "--wait", action="store_true", help="until all run, or are healthy"
    )
    for name, about, act in (
        ("stop", "Stop containers", _stop),
        ("restart", "Restart containers", _restart),
    ):
        parser = _add(inner, name, about, act)
        parser.add_argument(
            "-t", "--timeout", type=int, metavar="SECONDS", help=_PATIENCE
        )
        if name == "restart":
            parser.add_argument("--no-deps", action="store_true", help=_ALONE)
    kill = _add(inner, "kill", "Send a signal to containers", _kill)
    kill.add_argument("-s", "--signal", default="KILL", help="which (default: KILL)")
    remove = _add(inner, "rm", "Remove containers that do not run", _remove)
    flag = remove.add_argument
    flag("-f", "--force", action="store_true", help="do not ask")
    flag("-s", "--stop", action="store_true", help="stop them before")
    flag("-v", "--volumes", action="store_true", help="and their unnamed volumes")
    _add(inner, "pause", "Let containers stand still", partial(_freeze, paused=True))
    _add(
        inner, "unpause", "Let paused containers go on", partial(_freeze, paused=False)
    )
    wait = _add(inner, "wait", "Wait until the first container has ended", _wait)
    about = "and take the project down then"
    wait.add_argument("--down-project", action="store_true", help=about)


def _add(inner: Commands, name: str, about: str, act: Act) -> argparse.ArgumentParser:
    parser = inner.add_parser(name, help=about, description=about + ".")
    parser.add_argument("services", metavar="SERVICE", nargs="*")

    def call(arguments: argparse.Namespace, settings: Settings) -> int:
        from lamina.cli.services.view import view

        with chosen(arguments, settings, arguments.services) as found:
            shown = view(arguments.progress, settings.environment)
            try:
                return act(arguments, found, shown)
            finally:
                shown.close()

    parser.set_defaults(call=call)
    return parser


def _in_order(found: Chosen, containers: Iterable[Observed]) -> list[list[Observed]]:
    """Waves, who depends on others after them."""
    from lamina.services.ending import waves

    return [list(wave) for wave in reversed(waves(containers, found.order))]


def _start(arguments: argparse.Namespace, found: Chosen, shown: View) -> int:
    if not found.containers:
        raise ServicesUsage(
            "There are no containers to start.", hint="`lamina up` makes them."
        )
    still = [one for one in found.containers if not one.state.is_active]
    _begin(found, still, shown)
    if arguments.wait:
        from lamina.services.waiting import wait_until_ready

        for one in found.containers:
            wait_until_ready(found.store.root, one.container, threading.Event())
    return 0


def _begin(found: Chosen, still: list[Observed], shown: View) -> None:
    from lamina.services.abreast import abreast

    for wave in _in_order(found, still):
        abreast([partial(_begin_one, found, one, shown) for one in wave])


def _begin_one(found: Chosen, one: Observed, shown: View) -> None:
    from lamina.services import making
    from lamina.services.events import CONTAINER, Event

    name = one.container.name
    shown(Event(CONTAINER, name, "Starting"))
    making.start(found.store, one.container)
    shown(Event(CONTAINER, name, "Started", done=True))


def _stop(arguments: argparse.Namespace, found: Chosen, shown: View) -> int:
    from lamina.services import ending

    limit = arguments.timeout
    ending.stop_all(found.store, found.containers, found.project, limit, shown)
    return 0


def _restart(arguments: argparse.Namespace, found: Chosen, shown: View) -> int:
    """With those that are to be restarted when what they depend on is."""
    if not arguments.no_deps and found.project is not None:
        found = replace(found, containers=_with_dependents(found))
    _stop(arguments, found, shown)
    _begin(found, list(found.containers), shown)
    return 0


def _with_dependents(found: Chosen) -> tuple[Observed, ...]:
    from lamina.services import observed

    assert found.project is not None
    names = {one.service for one in found.containers}
    for name in found.order:
        service = found.project.service(name)
        if service and any(
            o.restart and o.service in names for o in service.depends_on
        ):
            names.add(name)
    there = observed.all_of(found.store.root, found.name)
    return tuple(one for one in there if one.service in names and not one.once)


def _kill(arguments: argparse.Namespace, found: Chosen, shown: View) -> int:
    from lamina.runtime.containers import stop
    from lamina.services.events import CONTAINER, Event

    number = stop.parse_signal(arguments.signal)
    for one in found.containers:
        if one.state.is_active:
            shown(Event(CONTAINER, one.container.name, "Killing"))
            stop.kill(found.store.root, one.container, number)
            shown(Event(CONTAINER, one.container.name, "Killed", done=True))
    return 0


def _remove(arguments: argparse.Namespace, found: Chosen, shown: View) -> int:
    from lamina.cli.formats.confirming import confirmed
    from lamina.runtime.containers import state
    from lamina.services import ending

    if arguments.stop:
        ending.stop_all(found.store, found.containers, found.project, None, shown)
    still = [
        one
        for one in found.containers
        if not state.see(found.store.root, one.container.id).is_active
    ]
    if not still:
        print("No stopped containers")
        return 0
    names = ", ".join(one.container.name for one in still)
    if not arguments.force and not confirmed(f"Going to remove {names}."):
        return 1
    for one in still:
        ending.remove(found.store, one.container, shown, volumes=arguments.volumes)
    return 0


def _freeze(
    _arguments: argparse.Namespace, found: Chosen, shown: View, *, paused: bool
) -> int:
    from lamina.cli.containers.lifecycle import freeze
    from lamina.services.events import CONTAINER, Event

    done = "Paused" if paused else "Unpaused"
    for one in found.containers:
        if one.state.is_running:
            freeze(found.store, one.container.id, paused)
            shown(Event(CONTAINER, one.container.name, done, done=True))
    return 0


def _wait(arguments: argparse.Namespace, found: Chosen, shown: View) -> int:
    """The exit code of the first that ends."""
    import queue

    from lamina.runtime.containers import stop
    from lamina.services import ending

    if not found.containers:
        raise ServicesUsage("There is no container to wait for.", hint="`lamina up`.")
    ended: queue.Queue[tuple[str, int]] = queue.Queue()

    def work(one: Observed) -> None:
        last = stop.wait(found.store.root, one.container.id)
        ended.put((one.container.name, last.exit_code if last else 0))

    for one in found.containers:
        threading.Thread(target=work, args=(one,), daemon=True).start()
    name, code = ended.get()
    print(f"container {name!r} exited with status code {code}")
    if arguments.down_project:
        ending.stop_all(found.store, found.containers, found.project, None, shown)
        for one in found.containers:
            ending.remove(found.store, one.container, shown)
    return code
