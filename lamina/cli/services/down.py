"""`lamina down`: a project's containers and networks gone, its volumes if asked for."""

from __future__ import annotations

import argparse

from lamina.cli.services.flags import ServicesUsage, add_project_flags, named_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.services.flags import Named
    from lamina.cli.services.view import View
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.services.observed import Observed
    from lamina.services.project import Project

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ABOUT = "Stop the services of a compose file, and remove their containers"


def add(commands: Commands) -> None:
    """Register `down` by itself, with the flags that say which project."""
    add_project_flags(add_down(commands))


def add_down(commands: Commands) -> argparse.ArgumentParser:
    """Register `down`."""
    parser = commands.add_parser(
        "down",
        help=ABOUT,
        description=f"{ABOUT} and networks.",
        allow_abbrev=False,
    )
    flag = parser.add_argument
    about = "remove the volumes, too: what is in them is lost"
    flag("-v", "--volumes", action="store_true", help=about)
    about = "remove containers of services that are no more"
    flag("--remove-orphans", action="store_true", help=about)
    about = "remove images, too: those of no name of their own, or all"
    flag("--rmi", choices=("local", "all"), default="", help=about)
    flag(
        "-t", "--timeout", type=int, metavar="SECONDS", help="how long to let them end"
    )
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=down)
    return parser


def down(arguments: argparse.Namespace, settings: Settings) -> int:
    """Take the project down; what is not there is gone already."""
    from lamina.cli.containers.finding import open_store
    from lamina.cli.services.view import view
    from lamina.services.alone import alone

    named = named_project(arguments, settings, tuple(arguments.services))
    with open_store(settings) as store:
        shown = view(arguments.progress, settings.environment)
        try:
            with alone(store.root, named.name):
                return _down(arguments, store, named, shown)
        finally:
            shown.close()


def _down(
    arguments: argparse.Namespace, store: Store, named: Named, shown: View
) -> int:
    from lamina.services import ending, observed, surroundings

    project = named.project
    there = observed.all_of(store.root, named.name)
    if arguments.services:
        _check_names(arguments.services, project, there)
    ending_ones = [one for one in there if _goes(one, arguments, project)]
    ending.stop_all(store, ending_ones, project, arguments.timeout, shown)
    for one in ending_ones:
        ending.remove(store, one.container, shown, volumes=arguments.volumes)
    if arguments.services:
        return 0
    if project is None:
        surroundings.remove_labelled(store, named.name, arguments.volumes, shown)
    else:
        surroundings.remove_networks(store, project, shown)
        if arguments.volumes:
            surroundings.remove_volumes(store, project, shown)
    if arguments.rmi and project is not None:
        _remove_images(store, project, arguments.rmi, shown)
    return 0


def _check_names(
    names: list[str], project: Project | None, there: tuple[Observed, ...]
) -> None:
    known = {one.service for one in there}
    known |= {one.name for one in project.services} if project else set()
    for name in names:
        if name not in known:
            raise ServicesUsage(f"no such service: {name}")


def _goes(
    one: Observed, arguments: argparse.Namespace, project: Project | None
) -> bool:
    if arguments.services:
        return one.service in arguments.services
    known = project is None or project.service(one.service) is not None
    return known or arguments.remove_orphans


def _remove_images(store: Store, project: Project, which: str, shown: View) -> None:
    from lamina.errors import LaminaError
    from lamina.services.events import IMAGE, Event

    names = {
        one.image
        for one in project.services
        if which == "all" or (one.build and not one.keys.get("image"))
    }
    for name in sorted(names):
        identity = store.resolve_id(name)
        if identity is None:
            continue
        shown(Event(IMAGE, name, "Removing"))
        try:
            from lamina.cli.images.removing import remove_image

            remove_image(store, name, identity)
        except LaminaError as error:
            shown(Event(IMAGE, name, error.message, failed=True))
        else:
            shown(Event(IMAGE, name, "Removed", done=True))
