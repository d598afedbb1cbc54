"""What the commands on containers share: the store they work on, and naming some."""

from __future__ import annotations

import argparse
import contextlib
import os

from lamina.cli.telling import print_error
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.state import Container

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    # What is done to a container: its ID and the flags; what to print, "" for its name.
    Act = Callable[[Store, str, argparse.Namespace], str]


@contextlib.contextmanager
def open_store(settings: Settings, enter: bool = True) -> Iterator[Store]:
    """The store for one command, with what dead keepers left cleared away.

    `enter`: as an ordinary user's root, who may touch all of its files. From outside
    that namespace, and only from there, the same user may signal and enter the
    containers of other sessions, each of which has a namespace of its own.
    """
    from lamina.cli.opened import become_root
    from lamina.oci.store import reserve
    from lamina.oci.store.store import Store
    from lamina.runtime.containers.container import collect, make_places

    if enter:
        become_root(settings.root)
    # A container that fills the disk can be seen, and stopped.
    room = reserve.used(settings.root)
    with room, contextlib.closing(Store.open(settings.root)) as store:
        make_places(store.root)
        if enter or os.geteuid() == 0:
            collect(store)
        yield store


def find(store: Store, name: str) -> Container:
    """The container that a user means; raises NoSuchContainer."""
    from lamina.runtime.containers import state

    return state.load_container(store.root, state.find(store.root, name))


def add_each(
    commands: Commands, name: str, about: str, act: Act
) -> argparse.ArgumentParser:
    """A command that does `act` to each container named, and goes on when one fails."""
    parser = commands.add_parser(name, help=about, description=about + ".")
    parser.add_argument("containers", metavar="CONTAINER", nargs="+")

    def call(arguments: argparse.Namespace, settings: Settings) -> int:
        with open_store(settings, enter=False) as store:
            return do_each(store, arguments.containers, act, arguments)

    parser.set_defaults(call=call)
    return parser


def do_each(
    store: Store, names: list[str], act: Act, arguments: argparse.Namespace
) -> int:
    """`act` on each of the containers `names`, as docker does it: print what it says,
    or the name; tell the errors, while the others get their turn. 1 if there was one.
    """
    from lamina.runtime.containers import state
    from lamina.runtime.errors import NoSuchContainer

    code = 0
    for named in names:
        try:
            said = act(store, state.find(store.root, named), arguments)
            print(said or named, flush=True)
        except LaminaError as error:
            print_error(error)
            forced = getattr(arguments, "force", False)
            code = code if forced and isinstance(error, NoSuchContainer) else 1
    return code
