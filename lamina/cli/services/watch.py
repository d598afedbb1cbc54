"""`lamina compose watch`: services that have what is saved."""

from __future__ import annotations

import argparse

from lamina.cli.services.flags import project_from, scales_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.cli.settings import Settings
    from lamina.services.project import Project, Service


def add_watch(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `watch`."""
    about = "Have what is saved in services at once, as their `develop.watch` says"
    parser = inner.add_parser("watch", help=about, description=about + ".")
    flag = parser.add_argument
    flag("--no-up", action="store_true", help="build and start nothing before")
    flag("--quiet", action="store_true", help="say nothing of builds and pulls")
    flag("--prune", action="store_true", help="as it is anyway: nothing is left over")
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=_watch)


def _watch(arguments: argparse.Namespace, settings: Settings) -> int:
    from lamina.cli.containers.finding import open_store
    from lamina.cli.services.bringing import Bringing, bring_up
    from lamina.cli.services.images import Getting
    from lamina.cli.services.view import view
    from lamina.cli.services.watching import Watching

    with open_store(settings) as store:
        shown = view(arguments.progress, settings.environment)
        reload = reloading(arguments, settings)
        watching = Watching(store, settings, reload, shown)
        try:
            if not arguments.no_up:
                project, _ = reload()
                how = Getting(build=True, quiet=arguments.quiet)
                asked = Bringing(tuple(arguments.services), getting=how)
                bring_up(store, settings, project, asked, shown)
                shown.close()
            watching.begin()
            watching.run()
        finally:
            watching.close()
    return 0


def reloading(
    arguments: argparse.Namespace, settings: Settings
) -> Callable[[], tuple[Project, tuple[Service, ...]]]:
    """Reads the project, and which of its services are meant."""
    from lamina.services.selecting import selected

    names = tuple(arguments.services)
    scales = scales_of(getattr(arguments, "scale", []))

    def read() -> tuple[Project, tuple[Service, ...]]:
        project = project_from(arguments, settings, names, scales)
        return project, selected(project, names)

    return read
