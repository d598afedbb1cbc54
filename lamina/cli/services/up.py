"""`lamina up`: a project as its compose file says, made so and watched."""

from __future__ import annotations

import argparse
import threading
import time
from functools import partial

from lamina.cli.services.flags import (
    ServicesUsage,
    add_project_flags,
    project_from,
    scales_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.services.bringing import Bringing, Ready
    from lamina.cli.services.view import View
    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Store
    from lamina.services.observed import Observed
    from lamina.services.project import Project, Service

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ABOUT = "Make the services of a compose file, and run them"
_PULL = ("always", "missing", "never", "build")
_SWITCHES = (
    (("-d", "--detach"), "leave them running"),
    (("--build",), "build images before"),
    (("--no-build",), "build no image, though it is not there"),
    (("--no-start",), "make containers, and start none"),
    (("--force-recreate",), "make all containers anew"),
    (("--no-recreate",), "make no container anew that is there"),
    (("--always-recreate-deps",), "make those that others depend on anew, too"),
    (("-V", "--renew-anon-volumes"), "take no nameless volumes over"),
    (("--remove-orphans",), "remove containers of services that are no more"),
    (("--no-deps",), "leave what the named services depend on"),
    (("--wait",), "wait until all run, or are healthy; leaves them running"),
    (("--abort-on-container-exit",), "stop all when one has ended"),
    (("--abort-on-container-failure",), "stop all when one has failed"),
    (("--attach-dependencies",), "show the logs of what they depend on, too"),
    (("--timestamps",), "show when each line was written"),
    (("--no-color",), "logs without colours"),
    (("--no-log-prefix",), "logs without names before their lines"),
    (("--quiet-pull",), "say nothing of pulls"),
    (("-w", "--watch"), "have what is saved in services at once (develop.watch)"),
    (("-y", "--yes"), "as it is anyway: nothing is asked"),
)
_LISTS = (
    (("--scale",), "SERVICE=NUMBER", "so many containers of a service (repeat)"),
    (("--attach",), "SERVICE", "show the logs of these alone (repeat)"),
    (("--no-attach",), "SERVICE", "show no logs of these (repeat)"),
)


def add(commands: Commands) -> None:
    """Register `up` by itself, with the flags that say which project."""
    add_project_flags(add_up(commands))


def add_up(commands: Commands) -> argparse.ArgumentParser:
    """Register `up`."""
    parser = commands.add_parser(
        "up",
        help=ABOUT,
        description=f"{ABOUT}. What is as it should be stays; the rest is made anew.",
        allow_abbrev=False,
    )
    flag = parser.add_argument
    for names, about in _SWITCHES:
        flag(*names, action="store_true", help=about)
    for names, metavar, about in _LISTS:
        flag(*names, action="append", default=[], metavar=metavar, help=about)
    flag("--pull", choices=_PULL, default="", help="when to ask registries")
    flag(
        "-t", "--timeout", type=int, metavar="SECONDS", help="how long to let them end"
    )
    about = "how long --wait may take (default: for ever)"
    flag("--wait-timeout", type=float, default=0.0, metavar="SECONDS", help=about)
    about = "the exit code is that of this service's container"
    flag("--exit-code-from", default="", metavar="SERVICE", help=about)
    flag("services", metavar="SERVICE", nargs="*")
    parser.set_defaults(call=up)
    return parser


def up(arguments: argparse.Namespace, settings: Settings) -> int:
    """Bring the services up; attached, until they end or Ctrl-C stops them."""
    from lamina.cli.containers.finding import open_store
    from lamina.cli.services.bringing import bring_up, ready
    from lamina.cli.services.view import view

    _check(arguments)
    names = tuple(arguments.services)
    scales = scales_of(arguments.scale)
    project = project_from(arguments, settings, names, scales)
    _check_scales(project, scales)
    with open_store(settings) as store:
        shown = view(arguments.progress, settings.environment)
        asked = _asked(arguments)
        try:
            if arguments.no_start or arguments.detach or arguments.wait:
                brought = bring_up(store, settings, project, asked, shown)
                return _wait(arguments, store, brought) if arguments.wait else 0
            made = ready(store, settings, project, asked)
            return _attached(arguments, settings, made, shown)
        finally:
            shown.close()


def _attached(
    arguments: argparse.Namespace, settings: Settings, made: Ready, shown: View
) -> int:
    """Bring up, and show what containers write meanwhile and from then on."""
    from lamina.cli.services.attached import Following, follow

    following = Following(
        services=_shown(arguments, made),
        ends=_ends(arguments),
        code_from=arguments.exit_code_from,
        patience=arguments.timeout,
        timestamps=arguments.timestamps,
        colour=not (arguments.no_color or settings.environment.get("NO_COLOR")),
        prefix=not arguments.no_log_prefix,
        since=time.time_ns(),
    )
    if not arguments.watch:
        return follow(made, following, shown)
    from lamina.cli.services.watch import reloading
    from lamina.cli.services.watching import Watching, beside

    reload = reloading(arguments, settings)
    watching = Watching(made.store, settings, reload, shown)
    try:
        return follow(made, following, shown, lambda: beside(watching))
    finally:
        watching.close()


def _asked(arguments: argparse.Namespace) -> Bringing:
    from lamina.cli.services.bringing import Bringing
    from lamina.cli.services.images import Getting

    return Bringing(
        names=tuple(arguments.services),
        alone=arguments.no_deps,
        getting=Getting(arguments.pull, _building(arguments), arguments.quiet_pull),
        recreate=partial(_recreate, arguments),
        orphans=arguments.remove_orphans,
        starts=not arguments.no_start,
        patience=arguments.timeout,
        renews_volumes=arguments.renew_anon_volumes,
    )


def _building(arguments: argparse.Namespace) -> bool | None:
    if arguments.no_build:
        return False
    return True if arguments.build or arguments.pull == "build" else None


def _recreate(
    arguments: argparse.Namespace, services: tuple[Service, ...]
) -> dict[str, str]:
    """Of each service, whether its containers are made anew."""
    from lamina.services.plan import DIVERGED, FORCE, NEVER

    named = set(arguments.services)
    found = {}
    for service in services:
        how = DIVERGED
        if arguments.no_recreate:
            how = NEVER
        elif (
            arguments.always_recreate_deps and named and service.name not in named
        ) or (arguments.force_recreate and (not named or service.name in named)):
            how = FORCE
        found[service.name] = how
    return found


def _check(arguments: argparse.Namespace) -> None:
    ends = arguments.abort_on_container_exit or arguments.abort_on_container_failure
    for name, other, wrong in (
        ("--build", "--no-build", arguments.build and arguments.no_build),
        (
            "--force-recreate",
            "--no-recreate",
            arguments.force_recreate and arguments.no_recreate,
        ),
        ("--detach", "--abort-on-container-exit", arguments.detach and ends),
        ("--wait", "--abort-on-container-exit", arguments.wait and ends),
        ("--detach", "--attach", arguments.detach and arguments.attach),
        ("--detach", "--watch", arguments.detach and arguments.watch),
        ("--detach", "--exit-code-from", arguments.detach and arguments.exit_code_from),
    ):
        if wrong:
            raise ServicesUsage(f"{name} and {other} do not go together.")


def _check_scales(project: Project, scales: dict[str, int]) -> None:
    for name, number in scales.items():
        service = project.service(name)
        if service is None:
            raise ServicesUsage(f"no such service: {name}")
        if service.container_name and number > 1:
            raise ServicesUsage(
                f"The service {name!r} has the container name "
                f"{service.container_name!r}, which only one container can have.",
                hint="Leave out its `container_name`.",
            )


def _shown(arguments: argparse.Namespace, made: Ready) -> frozenset[str]:
    """The services whose logs are shown: those that are named, or all."""
    named = set(arguments.services)
    chosen = {one.name for one in made.services if one.attach}
    if named and not arguments.attach_dependencies:
        chosen &= named
    if arguments.attach:
        chosen = set(arguments.attach)
    return frozenset(chosen - set(arguments.no_attach))


def _ends(arguments: argparse.Namespace) -> str:
    """What the end of one container means for all: nothing, `exit` or `failure`."""
    if arguments.abort_on_container_failure:
        return "failure"
    if arguments.abort_on_container_exit or arguments.exit_code_from:
        return "exit"
    return ""


def _wait(
    arguments: argparse.Namespace, store: Store, brought: tuple[Observed, ...]
) -> int:
    from lamina.services.waiting import wait_until_ready

    limit = arguments.wait_timeout
    deadline = time.monotonic() + limit if limit else None
    for one in brought:
        wait_until_ready(store.root, one.container, threading.Event(), deadline)
    return 0
